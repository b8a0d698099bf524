package main

import (
	"os"
	"os/signal"
)

// passedBySystem is what programs on Windows cannot start without.
var passedBySystem = []string{ //nolint:gochecknoglobals // a constant list
	"SystemRoot", "SystemDrive", "windir", "ComSpec", "PATHEXT", "TEMP", "TMP",
	"USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "ProgramData", "ProgramFiles",
}

// signals keeps Ctrl-C from ending this process before the command, which the
// console tells by itself.
type signals struct{ caught chan os.Signal }

func catchSignals() *signals {
	s := &signals{caught: make(chan os.Signal, 1)}
	signal.Notify(s.caught, os.Interrupt)
	return s
}

func (s *signals) forward(signalled) {}

func (s *signals) stop() { signal.Stop(s.caught) }
