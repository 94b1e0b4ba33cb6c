"""Pure statistics, numpy in and numpy out, one idea a module; no tables, no I/O, no other part of
evalkit."""
