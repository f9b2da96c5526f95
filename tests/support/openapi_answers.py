"""Every answer of an API against its own OpenAPI document."""

import re
from dataclasses import dataclass

import httpx
from jsonschema import Draft202012Validator


@dataclass
class Declared:
    """An OpenAPI document, for what is served under `base`."""

    document: dict
    base: str

    async def require(self, response: httpx.Response) -> None:
        """Fail unless the document has this answer; an event hook of httpx."""
        path = response.request.url.path
        if not path.startswith(self.base + "/"):
            return
        await response.aread()
        operation = self._operation(response.request.method.lower(), path.removeprefix(self.base))
        if operation is None:
            if response.is_error:
                self._fits({"$ref": "#/components/schemas/Error"}, response)
            return
        declared = operation["responses"].get(str(response.status_code))
        assert declared, f"{response.request.method} {path} has no {response.status_code}: {response.text[:200]}"
        media = response.headers["content-type"].partition(";")[0]
        assert media in declared["content"], f"{path} answers {media}"
        if media == "application/json":
            self._fits(declared["content"][media]["schema"], response)

    def _operation(self, method: str, path: str) -> dict | None:
        for template, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return operations.get(method)
        return None

    def _fits(self, schema: dict, response: httpx.Response) -> None:
        whole = schema | {"components": self.document["components"]}
        Draft202012Validator(whole).validate(response.json())
