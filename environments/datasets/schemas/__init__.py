"""schemas: for each public dataset, or family of them, a plain function from a row to its two halves."""
