"""The rules of time, as pure functions over immutable values.

Rule 1: nothing here reads a clock, makes an id, waits, logs or knows a wire format; `now` and ids are arguments.
Rule 2: a refused command changes nothing; what was already due before the command is kept (see `settlement`).
"""
