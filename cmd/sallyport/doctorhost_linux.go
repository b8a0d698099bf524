package main

import "golang.org/x/sys/unix"

// clockSynchronised asks the kernel whether something keeps its clock right.
func clockSynchronised() (synchronised, known bool) {
	const unsynchronised = 0x40 // STA_UNSYNC of adjtimex(2)
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err != nil {
		return false, false
	}
	return state.Status&unsynchronised == 0, true
}

// freeBytes is the room that is left for this user on the folder's disk.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil //nolint:gosec // a block's size is positive
}
