"""What a tool-calling agent works with: bash, an editor, search, submit. Each is a plain function on a `Workplace`."""

from __future__ import annotations

from .table import TOOLS, Call, Tool, chosen, perform, schemas
from .workplace import ToolError, Workplace

__all__ = ["TOOLS", "Call", "Tool", "ToolError", "Workplace", "chosen", "perform", "schemas"]
