"""`lix data check`: every frame of a data set is read, and what is wrong said with its fix.

`recognise` finds out which data set a folder is, `frame` reads one frame, `survey` adds frames up,
the `about_…` files judge the survey (`findings` lists them), `summary` and `report` show it.
"""
