"""Files → `model.Project`, or every mistake in them with its place.

`pipeline.load` answers a `request.LoadRequest` and names the stages in order; each is a module. Nothing is read but the
files asked for: arguments, environment and working directory come in with the request. This package imports nothing by
itself, as commands that only read state use `discover`, `environment` and `nearest` and want neither YAML nor pydantic.
"""
