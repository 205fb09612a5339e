"""What every engine service shares: the guard, the installer, the reaper. Standard library only.

Imports nothing here, so that `serve` pays only for the modules that a start needs.
"""
