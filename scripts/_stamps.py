def _stamp_by_imports() -> None:
    # scripts/mutate.py appends this code to fastclf/kernels/__init__.py in its copies. There the
    # cache entry of a kernel depends only on the files that its own file imports, directly or
    # indirectly, and on the files of functions that it closes over. So after a change the cache
    # still has all kernels that don't use the changed file.
    import ast
    import hashlib
    from functools import cache
    from pathlib import Path

    from fastclf.kernels.runtime.cache import KernelCache
    from fastclf.kernels.runtime.source import package_stamp

    folder = Path(__file__).parent

    def file_of(module):
        path = folder.parents[1].joinpath(*module.split("."))
        files = path.with_suffix(".py"), path / "__init__.py"
        return next((file for file in files if file.is_file()), None)

    @cache
    def imported(path):
        names = []
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names += [f"{node.module}.{alias.name}" for alias in node.names]
                names.append(str(node.module))
        return {file_of(name) for name in names if name.startswith("fastclf.kernels")} - {None}

    def files_of(value, seen):
        function = getattr(value, "py_func", value)
        if isinstance(value, tuple):
            for part in value:
                yield from files_of(part, seen)
        elif hasattr(function, "__code__") and function not in seen:
            seen.add(function)
            yield Path(function.__code__.co_filename)
            for cell in function.__closure__ or ():
                yield from files_of(cell.cell_contents, seen)

    @cache
    def stamp(files):
        reached, ahead = set(), list(files)
        while ahead:
            file = ahead.pop()
            if file not in reached:
                reached.add(file)
                ahead += imported(file)
        contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(reached)]
        return hashlib.sha256(" ".join(contents).encode()).hexdigest()

    def stamp_of(self):
        files = frozenset(files_of(self._kernel.py_func, set()))
        if all(file.is_relative_to(folder) for file in files):
            return stamp(files)
        return package_stamp()

    KernelCache.stamp = property(stamp_of)


_stamp_by_imports()
