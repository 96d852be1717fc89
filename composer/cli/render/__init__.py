"""Values in, text out: nothing here reads a file or asks a terminal anything."""
