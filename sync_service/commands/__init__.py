"""The commands that are more than one call: daemon, plan, doctor, test, approve-deletes."""
