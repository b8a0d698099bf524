package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/sandbox/environment"
)

// nodeOptions has Node load a file before its program.
const nodeOptions = "NODE_OPTIONS"

// forOldNode is the variable by which a Node that is too old to read proxy variables uses the proxy
// all the same; none if the one on the path is not, or if there is none. options are those that the
// program has besides.
func forOldNode(ctx context.Context, dir, options string) []environment.Variable {
	abs, err := filepath.Abs(dir)
	if err != nil || !slices.Contains(clientFiles(abs), environment.NodePreload) || strings.Contains(options, environment.NodePreload) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil || len(version) == 0 || version[0] != 'v' || readsProxies(strings.TrimSpace(string(version))) {
		return nil
	}
	return []environment.Variable{{Name: nodeOptions, Value: environment.Preloading(abs, options)}}
}

// readsProxies reports whether a Node of this version reads proxy variables when it is asked to,
// for fetch and for https.
func readsProxies(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "v%d.%d.", &major, &minor); err != nil {
		return false
	}
	switch major {
	case 22:
		return minor >= 21
	case 24:
		return minor >= 5
	}
	return major > 24
}
