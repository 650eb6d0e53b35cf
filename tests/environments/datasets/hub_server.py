"""A Hugging Face hub on loopback: the part of its API that fetching a dataset uses, over a folder of real files.

Source of the API: huggingface_hub's own client (HfApi.repo_info, file_download.get_hf_file_metadata).
"""

import hashlib
import json
import re
from pathlib import Path

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

COMMIT = "c0ffee" + "0" * 34


class Hub:
    """Serves `folder` as the dataset `name`. asked: the paths of files that were fetched, in order."""

    def __init__(self, server: HTTPServer, name: str, folder: Path):
        self.asked: list[str] = []
        self._name, self._folder = name, folder
        self.url = server.url_for("").rstrip("/")
        server.expect_request(_starting(f"/api/datasets/{name}/")).respond_with_handler(self._info)
        server.expect_request(_starting(f"/datasets/{name}/resolve/")).respond_with_handler(self._file)
        missing = Response("", 404, {"X-Error-Code": "RepoNotFound"})
        server.expect_request(_starting("/api/datasets/")).respond_with_response(missing)

    def _info(self, request: Request) -> Response:
        revision = request.path.rpartition("/revision/")[2]
        if "/revision/" in request.path and revision not in ("main", "v1", COMMIT):
            return Response("", 404, {"X-Error-Code": "RevisionNotFound"})
        files = [{"rfilename": path.relative_to(self._folder).as_posix()} for path in self._files()]
        if "/tree/" in request.path:
            tree = [{"type": "file", "path": each["rfilename"], "oid": "0" * 40, "size": 1} for each in files]
            return Response(json.dumps(tree), content_type="application/json")
        info = {"id": self._name, "sha": COMMIT, "siblings": files, "private": False, "tags": []}
        return Response(json.dumps(info), content_type="application/json")

    def _file(self, request: Request) -> Response:
        path = request.path.split("/resolve/", 1)[1].partition("/")[2]
        file = self._folder / path
        if not file.is_file():
            return Response("", 404, {"X-Error-Code": "EntryNotFound"})
        if request.method == "GET":
            self.asked.append(path)
        content = file.read_bytes()
        etag = hashlib.sha1(content).hexdigest()
        return Response(content, headers={"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'})

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.rglob("*") if path.is_file())


def _starting(start: str) -> re.Pattern[str]:
    return re.compile(re.escape(start) + ".*")
