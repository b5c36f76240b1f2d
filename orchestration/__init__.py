"""Jobs put to work: settings, workspaces, the pipeline and the command `etl`."""
