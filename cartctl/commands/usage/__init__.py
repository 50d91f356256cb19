"""How command lines are explained: what was probably meant by a wrong one."""
