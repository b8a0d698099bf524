package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/hint"
	"sallyport/sandbox/environment"
)

func newEnvCommand(a *app) *cobra.Command {
	var proxy, identity, format, file string
	var browsers bool
	cmd := &cobra.Command{
		Use:   "env [--sidecar FILE | --proxy URL] [--identity DIR]",
		Short: "Print the environment in which ordinary clients use the proxy",
		Long: `Prints every variable that makes ordinary clients use the proxy, trust the certificates
it presents, and send placeholders where they insist on a secret. It reads nothing but
its flags and the identity folder, and asks the node of this PATH for its version, because one
that is too old to read proxy variables needs a file. Browsers read no variable that names
certificates: see --browsers.

With --sidecar it waits until a sidecar has written FILE (its --env-file), and prints
that. Without --sidecar and --proxy the variables name Sallyport's own listener, which only clients that can
present a certificate to a proxy are able to use: curl (with flags), git, Claude Code.`,
		Example: `  eval "$(sallyport env --sidecar builder.env)"
  eval "$(sallyport env --proxy "$URL" --identity ./builder)"
  sallyport env --proxy "$URL" --identity ./builder --format dotenv > agent.env`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json() && !cmd.Flags().Changed("format") {
				format = environment.JSON
			}
			switch format {
			case environment.Shell, environment.Dotenv, environment.JSON:
			default:
				return usagef("unknown format %q: use shell, dotenv or json", format)
			}
			variables, err := variablesFor(cmd.Context(), a, file, proxy, identity)
			if err != nil {
				return err
			}
			if file == "" {
				variables = append(variables, forOldNode(cmd.Context(), identity, optionsHere(a, format))...)
			}
			if browsers {
				more, err := forBrowsers(cmd.Context(), a, identity, a.getenv("HOME"))
				if err != nil {
					return err
				}
				variables = append(variables, more...)
			}
			if format == environment.Shell { // which evaluates it in the environment that this process has, too
				variables = environment.Compose(variables, a.getenv)
			}
			return environment.Write(a.stdout, format, variables)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&proxy, "proxy", "", "the sidecar's proxy URL (default the listener that agent.json names)")
	flags.StringVar(&identity, "identity", ".", "identity folder of the agent")
	flags.StringVar(&file, "sidecar", "", "the --env-file of a running sidecar, or of one about to run")
	cmd.MarkFlagsMutuallyExclusive("sidecar", "proxy")
	cmd.MarkFlagsMutuallyExclusive("sidecar", "identity")
	browsersFlag(cmd, &browsers)
	cmd.MarkFlagsMutuallyExclusive("sidecar", "browsers")
	flags.StringVar(&format, "format", environment.Shell, "shell, dotenv or json")
	return cmd
}

// optionsHere are the options of Node that this environment has, if a shell of it evaluates what is printed.
func optionsHere(a *app, format string) string {
	if format != environment.Shell {
		return ""
	}
	return a.getenv(nodeOptions)
}

// variablesFor are those of a sidecar's file, or of a proxy URL and an identity.
func variablesFor(ctx context.Context, a *app, file, proxy, identity string) ([]environment.Variable, error) {
	if file != "" {
		return awaitEnvFile(ctx, file)
	}
	return environmentOf(a, proxy, identity)
}

// environmentOf lists the variables for the identity in dir.
func environmentOf(a *app, proxy, dir string) ([]environment.Variable, error) {
	d, err := readDescription(dir)
	if err != nil {
		return nil, err
	}
	c, err := environmentConfig(d, dir)
	if err != nil {
		return nil, err
	}
	if proxy == "" {
		if d.Proxy == "" {
			return nil, usagef("the identity folder does not say where the proxy is: give --proxy URL")
		}
		proxy = "https://" + d.Proxy
		fmt.Fprintln(a.stderr, "sallyport: no --proxy: most clients cannot present a certificate to a proxy; start a sidecar and give its URL")
	}
	if c.Proxy, err = url.Parse(proxy); err != nil {
		// The error would repeat the URL and the password in it.
		return nil, usagef("the proxy URL cannot be parsed: write it as http://agent:PASSWORD@HOST:PORT")
	}
	for _, path := range []string{c.Bundle, c.CA, c.Truststore} {
		if _, err := os.Stat(path); err != nil {
			return nil, hint.With(fmt.Errorf("identity folder: %w", err), "sallyport agent renew %s --out %s writes all files anew", d.ID, dir)
		}
	}
	variables, err := environment.New(c)
	if err != nil {
		return nil, &usageError{msg: err.Error()}
	}
	return variables, nil
}

// environmentConfig points to the files of an identity folder.
func environmentConfig(d description, dir string) (environment.Config, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return environment.Config{}, fmt.Errorf("find identity folder %s: %w", dir, err)
	}
	return environment.Config{
		Folder:             abs,
		Files:              clientFiles(abs),
		Also:               d.Variables,
		Bundle:             filepath.Join(abs, fileBundle),
		CA:                 filepath.Join(abs, fileCA),
		Truststore:         filepath.Join(abs, fileTruststore),
		TruststorePassword: d.TruststorePassword,
		Certificate:        filepath.Join(abs, fileCertificate),
		Key:                filepath.Join(abs, fileKey),
		Agent:              d.ID,
		Region:             d.Region,
	}, nil
}

// clientFiles are the files for clients that are in the folder and say of it what they must: an
// older folder has none, and those of one that was moved lead elsewhere.
func clientFiles(dir string) []string {
	bundle, err1 := os.ReadFile(filepath.Join(dir, fileBundle))
	ca, err2 := os.ReadFile(filepath.Join(dir, fileCA))
	if errors.Join(err1, err2) != nil {
		return nil
	}
	var there []string
	for _, f := range environment.Files(dir, fileBundle, string(bundle), string(ca)) {
		if data, err := os.ReadFile(filepath.Join(dir, f.Name)); err == nil && string(data) == f.Content {
			there = append(there, f.Name)
		}
	}
	return there
}

// readDescription reads agent.json of an identity folder.
func readDescription(dir string) (description, error) {
	var d description
	file := filepath.Join(dir, fileDescription)
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, hint.With(fmt.Errorf("%s: no such file", file), "give --identity DIR, a folder that sallyport agent create wrote")
	case err != nil:
		return d, fmt.Errorf("read identity: %w", err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}
