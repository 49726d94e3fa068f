"""The work itself: scan, replay, snapshot, diff, plan, deliver. Knows ports only."""
