package veil

import "os"

func ended(state *os.ProcessState) Ended { return Ended{Code: state.ExitCode()} }
