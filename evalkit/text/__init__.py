"""Pure text measures, strings in and spans out, no model and no I/O; scores made of them live in
scorers."""
