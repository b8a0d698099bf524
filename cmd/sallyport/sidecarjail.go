package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/hint"
	"sallyport/sandbox/environment"
	"sallyport/sandbox/jail"
	"sallyport/sandbox/sidecar"
)

// sidecarJail is what `sidecar --jail` takes beside the identity.
type sidecarJail struct {
	jailOptions

	ports []uint
	pass  []string
}

func (o *sidecarJail) flags(cmd *cobra.Command) {
	o.jailOptions.flags(cmd)
	cmd.Flags().UintSliceVar(&o.ports, "port", nil, "port beside 80 and 443 on which connections from the jail are caught; may be repeated")
	cmd.Flags().StringArrayVar(&o.pass, "pass", nil, "variable of this environment to pass on to the command in the jail; may be repeated")
}

// args says what is wrong with the arguments, for there is a command only with a jail.
func (o *sidecarJail) args(cmd *cobra.Command, args []string) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	if !o.on {
		for _, name := range []string{"port", "pass"} {
			if cmd.Flags().Changed(name) {
				return usagef("--%s is about a jail: give --jail, too", name)
			}
		}
		return cobra.NoArgs(cmd, args)
	}
	if len(args) == 0 || cmd.ArgsLenAtDash() != 0 {
		return usagef("put -- and then the command after the flags: %s sidecar --jail --identity DIR -- CMD ARG...", cmd.Root().Name())
	}
	for _, port := range o.ports {
		if port == 0 || port > 65535 || port == 53 {
			return usagef("--port %d is no port that can be caught", port)
		}
	}
	for _, name := range []string{"listen", "env-file", "no-auth", "peer-uid"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s has no meaning with --jail: the jail has a sidecar of its own", name)
		}
	}
	return nil
}

// runSidecarJail runs a command in a jail whose sidecar has an identity that is there
// already: on a machine without the server, for example.
func runSidecarJail(ctx context.Context, a *app, o sidecarOptions, argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return notRun(a, argv[0], exitNotFound, errors.New("command not found"))
		}
		return notRun(a, argv[0], exitCannotRun, err)
	}
	environ, err := inheritedVariables(a, o.jail.pass, nil)
	if err != nil {
		return err
	}
	signals := catchSignals()
	defer signals.stop()
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := o.join.prepare(); err != nil {
		return err
	}
	c := jail.Config{Ports: []uint16{80, 443}}
	for _, folder := range []string{o.identity, o.join.state} {
		if folder != "" {
			c.Hide = append(c.Hide, folder)
		}
	}
	if err := o.jail.settle(&c); err != nil {
		return err
	}
	for _, port := range o.jail.ports {
		c.Ports = append(c.Ports, uint16(port)) //nolint:gosec // looked at before
	}
	j, err := intoJail(a, c, log)
	if err != nil {
		return err
	}
	defer j.close()
	if err := hideMemory(); err != nil {
		return fmt.Errorf("protect the agent's key from the command: %w", err)
	}
	renewing, source, err := o.open(ctx, a, log)
	if err != nil {
		return err
	}
	defer renewing.keep(ctx)()
	if o.proxy == "" {
		if o.proxy, err = knownProxy(o.identity); err != nil {
			return err
		}
	}
	if err := copyPublic(o.identity, j.folder); err != nil {
		return err
	}
	said := fmt.Sprintf("agent %s; %s", source.Identity(), j.says(o.jail.jailOptions))
	return j.run(ctx, a, jailedCommand{path, argv, environ, signals}, sidecar.Config{Proxy: o.proxy, Identity: source, Log: log}, said)
}

// copyPublic copies what clients need of an identity folder, and not the key. What names its
// own folder is written anew.
func copyPublic(from, to string) error {
	texts := map[string]string{}
	for _, name := range []string{fileCertificate, fileCA, fileBundle, fileTruststore, fileDescription} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return hint.With(fmt.Errorf("read the identity: %w", err), "give --identity a folder that `sallyport agent create` has made")
		}
		texts[name] = string(data)
	}
	for _, f := range environment.Files(to, fileBundle, texts[fileBundle], texts[fileCA]) {
		texts[f.Name] = f.Content
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o644); err != nil { //nolint:gosec // public, in a folder of mode 0700
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}
