"""The same answers on macOS, from `ps` and `lsof`: there is no /proc, no prctl and no pidfd.

Written from the manual pages of macOS 14 and run only against recorded output.
"""
