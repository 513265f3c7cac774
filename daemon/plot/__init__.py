"""`inherentd score --plot`: one PNG a file of what was heard and decided."""
