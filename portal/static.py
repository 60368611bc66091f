"""Static files with content hashes in their names, ES modules included."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.staticfiles.storage import ManifestFilesMixin
from whitenoise.storage import CompressedManifestStaticFilesStorage

_COMMENT = re.compile(r"^\s*\*|/\*|(?<!:)//")  # but not the // of an address


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Writes hashed names into `import … from "./x.js"` too: a module and its imports change names together.

    Django's own support for modules also rewrites what stands in comments, where types are imported
    (`@param {import("./types.js").Person} person`); types may form circles, which it cannot resolve. Here
    statements count where they start a line, `import()` where its line is no comment.
    """

    patterns: ClassVar[tuple[Any, ...]] = (
        *ManifestFilesMixin.patterns,
        (
            "*.js",
            (
                (
                    r"""(?m)^(?P<matched>(?P<head>(?:import|export)\b[^"';]*?\bfrom\s*)["'](?P<url>[./][^"']+)["'])""",
                    """%(head)s"%(url)s\"""",
                ),
                (r"""(?m)^(?P<matched>import\s*["'](?P<url>[./][^"']+)["'])""", """import "%(url)s\""""),
                (r"""(?P<matched>\bimport\(\s*["'](?P<url>[./][^"']+)["']\s*\))""", """import("%(url)s")"""),
            ),
        ),
    )
    # One pass for each step of the longest chain of imports, and one more to see that nothing changes.
    max_post_process_passes = 30

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        convert = super().url_converter(name, hashed_files, template)

        def outside_comments(match: re.Match[str]) -> str:
            before = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
            if name.endswith(".js") and _COMMENT.search(before):
                return match["matched"]
            return convert(match)

        return outside_comments
