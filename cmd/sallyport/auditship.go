package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/ship"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
)

type shipFlags struct {
	auditFlags
	to, name, format, authorization, ca, cert, key, logFormat string
	after                                                     uint64
	only                                                      string
	once, cleartext                                           bool
}

func newAuditShipCommand(a *app) *cobra.Command {
	var f shipFlags
	cmd := &cobra.Command{
		Use:   "ship --to ADDRESS",
		Short: "Follow the trail and send every exchange that ends, and every event, to another system",
		Long: `Follows the trail and sends every exchange that ends and every other event to another system, at least once: where it has got to is
kept in state/ship-NAME.json and moves on only when the other side has taken everything up to there. After
a crash some exchanges come again; their id tells. What the other side will not take is tried again, for ever,
with growing pauses. ADDRESS is one of

  otlp+https://HOST:4318      a collector of OpenTelemetry logs (OTLP/HTTP in JSON, /v1/logs unless there is a path)
  syslog+tls://HOST:6514      a syslog server (RFC 5424 over TLS; syslog+tcp:// without)
  https://HOST/PATH           anything that takes lines of JSON by POST and answers with 2xx

Without TLS (otlp+http, syslog+tcp, http) only this machine is sent to, unless --cleartext says otherwise. A
secret is never written in a flag: --authorization names the variable or the file that holds the header's value.`,
		Example: `  sallyport audit ship --to otlp+https://collector.example --authorization file:/run/secrets/otlp
  sallyport audit ship --name siem --to syslog+tls://siem.example:6514 --format ocsf --decision deny`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return shipTrail(a, cmd, &f) },
	}
	f.define(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "where to (required)")
	flags.StringVar(&f.name, "name", "default", "names the cursor; every destination needs one of its own")
	flags.StringVar(&f.format, "format", "jsonl", "what lines and syslog messages hold: jsonl or ocsf")
	flags.StringVar(&f.authorization, "authorization", "", "env:NAME or file:PATH with the value of the Authorization header")
	flags.StringVar(&f.ca, "ca", "", "trust the certificates in this file (PEM) instead of the system's")
	flags.StringVar(&f.cert, "cert", "", "client certificate (PEM), with --key")
	flags.StringVar(&f.key, "key", "", "file of the client certificate's key (PEM)")
	flags.Uint64Var(&f.after, "after", 0, "when there is no cursor yet: begin after this event")
	flags.BoolVar(&f.once, "once", false, "stop at the end of the trail, or at the first error")
	flags.BoolVar(&f.cleartext, "cleartext", false, "send to another machine without TLS, for everybody on the way to read")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json, on standard error")
	flags.StringVar(&f.only, "only", "", onlyUsage)
	require(cmd, "to")
	return cmd
}

var shipName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

func shipTrail(a *app, cmd *cobra.Command, f *shipFlags) error {
	filter, err := f.filter(a.here())
	if err != nil {
		return err
	}
	if !shipName.MatchString(f.name) {
		return usagef("--name %q: use lower-case letters, digits and hyphens", f.name)
	}
	which, err := whichOf(f.only)
	if err != nil {
		return err
	}
	log, err := shipLog(cmd, f.logFormat)
	if err != nil {
		return err
	}
	to, err := f.destination(a.getenv, log)
	if err != nil {
		return err
	}
	l, err := a.env().Layout()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return a.searchTrail(ctx, &f.auditFlags, func(r *trail.Reader) error {
		base := filepath.Join(filepath.Dir(l.Trail()), "ship-"+f.name)
		lock, err := admin.Acquire(base + ".lock")
		if errors.Is(err, admin.ErrLocked) {
			return hint.With(fmt.Errorf("another `audit ship --name %s` runs", f.name), "give this one a name of its own")
		}
		if err != nil {
			return err
		}
		defer func() { _ = lock.Release() }()
		cursor, err := ship.OpenCursor(base+".json", to.Name(), f.after)
		if err != nil {
			return hint.With(err, "give another --name, or remove the file to begin anew")
		}
		n, err := ship.Run(ctx, ship.Config{
			Trail: r, Filter: filter, Which: which, Destination: to, Cursor: cursor, Once: f.once, Log: log, InPlace: unmoved(l.Trail()),
		})
		log.Info("stopped", "shipped", n, "after", cursor.After())
		return err
	})
}

func shipLog(cmd *cobra.Command, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil)), nil
	}
	return nil, usagef("--log-format %q is not text or json", format)
}

// unmoved returns a check that fails once path names another file than it does now. A trail that was
// replaced, by a restore for example, is another one, and shipping must not go on in the middle of it.
func unmoved(path string) func() error {
	before, beforeErr := os.Stat(path)
	return func() error {
		now, err := os.Stat(path)
		if err = errors.Join(beforeErr, err); err != nil {
			return fmt.Errorf("the trail is gone: %w", err)
		}
		if !os.SameFile(before, now) {
			return fmt.Errorf("the trail %s was replaced by another file", path)
		}
		return nil
	}
}

// destination makes what ADDRESS says.
func (f *shipFlags) destination(getenv func(string) string, log *slog.Logger) (ship.Destination, error) {
	u, err := url.Parse(f.to)
	if err != nil || u.Host == "" {
		return nil, usagef("--to is no address; write otlp+https://HOST, syslog+tls://HOST or https://HOST/PATH")
	}
	if u.User != nil {
		return nil, usagef("--to holds a name or a password; name where they are with --authorization")
	}
	protocol, scheme, _ := strings.Cut(u.Scheme, "+")
	if scheme == "" {
		protocol, scheme = "", u.Scheme
	}
	if clear := scheme == "http" || scheme == "tcp"; clear && !f.cleartext && !isLoopback(u.Hostname()) {
		return nil, usagef("--to %s is another machine, and everybody on the way could read the trail; use TLS, or say --cleartext", u.Host)
	}
	config, err := f.tls(u.Hostname())
	if err != nil {
		return nil, err
	}
	encode, _, err := exportForm(f.format, readBuild().Version)
	if err != nil || f.format == "csv" {
		return nil, usagef("--format %q is not jsonl or ocsf", f.format)
	}
	line := func(b []byte, r audit.Record) ([]byte, error) {
		b, err := encode(b, r)
		return b[:max(len(b)-1, 0)], err // without the line break
	}
	post := ship.Post{Client: shipClient(config)}
	if post.Authorization, err = authorization(f.authorization, getenv); err != nil {
		return nil, err
	}
	switch protocol + "+" + scheme {
	case "otlp+https", "otlp+http":
		if f.format != "jsonl" {
			return nil, usagef("--format is for lines and syslog; OTLP has its own form")
		}
		post.Address = otlpAddress(u, scheme)
		return ship.OTLP{Post: post, Version: readBuild().Version, Log: log}, nil
	case "+https", "+http":
		post.Address = u.String()
		return ship.Lines{Post: post, Encode: line}, nil
	case "syslog+tls", "syslog+tcp":
		if f.authorization != "" {
			return nil, usagef("syslog knows no --authorization; use --cert and --key")
		}
		host, _ := os.Hostname() // word says "-" for none
		s := ship.Syslog{Address: withPort(u, map[string]string{"tls": "6514", "tcp": "514"}[scheme]), Host: host, Encode: line}
		if scheme == "tls" {
			s.TLS = config
		}
		return s, nil
	}
	return nil, usagef("--to %s:// is not otlp+https, otlp+http, syslog+tls, syslog+tcp, https or http", u.Scheme)
}

func otlpAddress(u *url.URL, scheme string) string {
	to := *u
	to.Scheme, to.Host = scheme, withPort(u, "4318")
	if to.Path == "" || to.Path == "/" {
		to.Path = "/v1/logs"
	}
	return to.String()
}

func withPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (f *shipFlags) tls(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", f.ca)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return nil, usagef("--cert and --key belong together")
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// shipClient follows no redirect and asks no proxy: where the trail goes, a flag
// says and nothing else.
func shipClient(c *tls.Config) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// authorization reads the header's value where the reference says, a file anew
// for every request.
func authorization(reference string, getenv func(string) string) (func() (string, error), error) {
	if reference == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	kind, name, _ := strings.Cut(reference, ":")
	if (kind != "env" && kind != "file") || name == "" { // what was given may be the secret itself
		return nil, usagef("--authorization is env:NAME or file:PATH, never the value itself")
	}
	checked := func() (string, error) {
		value := getenv(name)
		var err error
		if kind == "file" {
			var data []byte
			data, err = os.ReadFile(name) //nolint:gosec // the user names it
			value = string(data)
		}
		if value = strings.TrimSpace(value); err == nil && (value == "" || strings.ContainsAny(value, "\r\n\x00")) {
			err = fmt.Errorf("--authorization: what %s names is empty or has several lines", kind+":"+name)
		}
		return value, err
	}
	_, err := checked()
	return checked, err
}
