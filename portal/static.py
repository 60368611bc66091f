"""Static files with content hashes in their names, ES module imports included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Rewrites `import … from "./x.js"` too, so that a module and what it imports change names together."""

    support_js_module_import_aggregation = True
