"""Where people meet it: the command line, decorators, the gate. Thin: option parsing and one call into the core."""
