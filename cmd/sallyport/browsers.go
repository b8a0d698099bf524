package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/hint"
	"sallyport/sandbox/browser"
	"sallyport/sandbox/environment"
)

// fileBrowsers is the folder of an identity in which browsers find whom to trust.
const fileBrowsers = "browsers"

// dataHome leads browsers there, and whatever else keeps data of its user.
const dataHome = "XDG_DATA_HOME"

func browsersFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "browsers", false, "have Chromium, Playwright and Puppeteer trust the proxy too, by a database that certutil (Debian: libnss3-tools) makes in the identity folder; sets "+dataHome)
}

// forBrowsers are the variables by which browsers trust the proxy of the identity in dir. home is
// the home folder that they will have.
func forBrowsers(ctx context.Context, a *app, dir, home string) ([]environment.Variable, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find identity folder %s: %w", dir, err)
	}
	bundle, err := os.ReadFile(filepath.Join(abs, fileBundle))
	if err != nil {
		return nil, fmt.Errorf("identity folder: %w", err)
	}
	at := filepath.Join(abs, fileBrowsers)
	switch err := browser.Trust(ctx, at, interceptionAuthority(bundle)); {
	case errors.Is(err, browser.ErrNoTool):
		return nil, hint.With(err, "install it (Debian: apt-get install libnss3-tools), or leave out --browsers")
	case err != nil:
		return nil, err
	}
	if own := browser.Overrules(home); own != "" {
		fmt.Fprintf(a.stderr, "warning: %s is there, and browsers read that in place of the one that trusts the proxy\nhint: give them another home folder (run --user-home fresh)\n", printable(own))
	}
	return []environment.Variable{{Name: dataHome, Value: at}}, nil
}

// interceptionAuthority is the last certificate of a bundle.
func interceptionAuthority(bundle []byte) []byte {
	start := bytes.LastIndex(bundle, []byte("-----BEGIN CERTIFICATE-----"))
	if start < 0 {
		return nil
	}
	block, _ := pem.Decode(bundle[start:])
	if block == nil {
		return nil
	}
	return pem.EncodeToMemory(block)
}
