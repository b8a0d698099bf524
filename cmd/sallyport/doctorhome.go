package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/admin"
	"sallyport/certs"
	"sallyport/config"
	"sallyport/internal/host"
	"sallyport/server"
)

// home looks at everything that a server of this home needs.
func (d *doctor) home(ctx context.Context) {
	l, err := d.app.env().Layout()
	if err != nil {
		d.failed("home", err, "")
		return
	}
	if err := l.CheckState(); err != nil {
		d.failed("home", err, "")
		return
	}
	d.ok("home", "%s", l.Dir)
	set := d.files()
	d.authorities(l)
	d.disk(l)
	d.roots()
	if set == nil {
		return // all further checks are about what the files say
	}
	d.names(ctx, set)
	d.server(ctx, set)
}

func (d *doctor) files() *config.Set {
	set, err := d.app.loadHome()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			d.wrong("files", server.StatusFailed, "correct the file; `sallyport policy check` says the same", strings.TrimSpace(line))
		}
		return nil
	}
	for _, w := range set.Warnings {
		d.wrong("files", server.StatusWarning, "", w)
	}
	d.ok("files", "%s, %s, %s", counted(len(set.Files), "file", "files"),
		counted(len(set.Policies), "policy", "policies"), counted(len(set.Credentials.Names()), "credential", "credentials"))
	return set
}

func (d *doctor) authorities(l config.Layout) {
	var newest time.Time
	for _, one := range []struct {
		what string
		file func() (cert, key string)
	}{{"the agent authority", l.AgentCA}, {"the interception authority", l.InterceptionCA}} {
		authority, err := certs.LoadAuthority(one.file())
		if err != nil {
			d.failed("authorities", err, "restore state/ca from a backup")
			continue
		}
		cert := authority.Certificate()
		if made := cert.NotBefore.Add(certs.AuthorityBackdate); made.After(newest) {
			newest = made
		}
		d.ending("authorities", one.what, cert.NotAfter, 90*24*time.Hour, "plan a new home: what it issued ends with it")
	}
	d.clock(newest)
}

// What the trail needs on its disk: a busy server writes a gigabyte in a day.
const (
	scarceBytes = 2 << 30
	noBytes     = 200 << 20
)

func (d *doctor) disk(l config.Layout) {
	free, err := freeBytes(l.State())
	text := fmt.Sprintf("%d MB are free for %s", free>>20, l.State())
	const try = "make room, or `sallyport audit archive` and `audit prune`: without room every request is refused"
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		d.failed("disk", err, "")
	case free < noBytes:
		d.wrong("disk", server.StatusFailed, try, text)
	case free < scarceBytes:
		d.wrong("disk", server.StatusWarning, try, text)
	default:
		d.ok("disk", "%s", text)
	}
}

func (d *doctor) roots() {
	if _, err := certs.Bundle(); err != nil {
		d.failed("roots", err, "install ca-certificates: no upstream can be verified without them")
		return
	}
	d.ok("roots", "the system's certificate authorities are there")
}

// names resolves the hosts that credentials are bound to, as the server would.
func (d *doctor) names(ctx context.Context, set *config.Set) {
	names := namesToResolve(set)
	if len(names) == 0 {
		return
	}
	ctx, cancel := looking(ctx)
	defer cancel()
	var resolver net.Resolver
	var mu sync.Mutex
	var unresolved []string
	var looks sync.WaitGroup
	for _, name := range names {
		looks.Go(func() {
			if _, err := resolver.LookupNetIP(ctx, "ip", name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				unresolved = append(unresolved, name)
			}
		})
	}
	looks.Wait()
	if len(unresolved) > 0 {
		slices.Sort(unresolved)
		d.wrong("names", server.StatusFailed, "see /etc/resolv.conf, or name the address under upstream.resolve", "the name servers do not know "+strings.Join(unresolved, ", "))
		return
	}
	d.ok("names", "%s", strings.Join(names, ", "))
}

// namesToResolve are the exact names that credentials go to, a few of them.
func namesToResolve(set *config.Set) []string {
	const most = 20
	var names []string
	for _, credential := range set.Credentials.Names() {
		for _, p := range set.Credentials.Lookup(credential).Hosts() {
			name, exact := p.Exact()
			if exact && !slices.Contains(names, name.String()) && len(names) < most && !resolved(set, name) {
				names = append(names, name.String())
			}
		}
	}
	return names
}

func resolved(set *config.Set, name host.Name) bool {
	for from := range set.Config.Upstream.Resolve {
		if from.Name == name {
			return true
		}
	}
	return name.IsAddr()
}

// server asks a running server how it is, or looks whether one could start.
func (d *doctor) server(ctx context.Context, set *config.Set) {
	client, err := d.app.env().Connect(ctx)
	if errors.Is(err, admin.ErrNoServer) {
		d.ok("server", "none runs on this home, so that agents are not looked at; `sallyport policy check --agents` does")
		d.port(ctx, "listen", set.Config.Listen)
		d.port(ctx, "health.listen", set.Config.HealthListen)
		return
	}
	if err != nil {
		d.failed("server", err, "")
		return
	}
	defer client.Close()
	ctx, cancel := looking(ctx)
	defer cancel()
	page, err := client.Page(ctx, "/readyz")
	var ready server.Readiness
	if err == nil {
		err = json.Unmarshal(page, &ready)
	}
	if err != nil {
		d.failed("server", err, "see its log, and start it anew")
		return
	}
	for _, c := range ready.Checks {
		if c.Status != server.StatusOK {
			detail := c.Name
			if c.Detail != nil {
				detail += ": " + *c.Detail
			}
			d.wrong("server", c.Status, "docs/operations.md says what each check means", detail)
		}
	}
	d.ok("server", "it runs and answers")
	d.agents(ctx, set, client)
}

func (d *doctor) port(ctx context.Context, key, address string) {
	if address == "" {
		return
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		d.failed("ports", server.ListenFailed(key, address, err), "choose an address of this machine")
		return
	}
	_ = l.Close()
	d.ok("ports", "%s %s is free", key, address)
}

// agents looks for those that are about to stop, and for those without an owner.
func (d *doctor) agents(ctx context.Context, set *config.Set, client *admin.Client) {
	list, err := client.Agents(ctx)
	if err != nil {
		d.failed("agents", err, "see the server's log")
		return
	}
	orphans := admin.FindOrphans(admin.View{Policies: set.Policies, Owners: set.Owners}, list)
	for _, w := range orphans.Warnings(set.Config.OwnersGrace) {
		d.wrong("agents", server.StatusWarning, "", w)
	}
	var active, ending int
	for _, a := range list {
		if a.Status != "active" {
			continue
		}
		active++
		if a.ExpiresAt.Sub(d.app.now()) < time.Hour {
			ending++
		}
	}
	d.ok("agents", "%d are active, %d of them end within an hour", active, ending)
}
