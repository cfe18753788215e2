"""`lix data check`: reads every frame of a data set and says what is wrong, with the fix.

`frame` reads one frame, `survey` adds frames up as `statistics`, `rules` turn a survey into
findings, `report` shows them; `run` is the command.
"""
