//go:build !unix

package admin

import (
	"errors"
	"os"
)

func lockFile(*os.File) error {
	return errors.New("a home is only kept on Linux and macOS; here, run `sallyport sidecar`, `env` and `run` against a server elsewhere")
}
