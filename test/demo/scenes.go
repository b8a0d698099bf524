package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sallyport/test/rig"
)

// allowed: the same call fails past Sallyport and succeeds through it.
func (d *demo) allowed(ctx context.Context) error {
	d.title("An allowed call succeeds only because the key is injected")
	direct := []string{
		"-sS", "--noproxy", "*", "--cacert", d.upstream.Roots, "--connect-to", "::" + d.upstream.Address,
		"-d", "{}", "https://" + modelHost + "/v1/messages",
	}
	out, err := d.quiet(ctx, "curl", direct...)
	if err != nil || !strings.Contains(out, "invalid x-api-key") {
		return fmt.Errorf("without Sallyport the upstream should refuse: %w: %s", err, out)
	}
	d.show("agent$ curl -d {} https://api.demo.test/v1/messages      (straight to the upstream)", out)
	out, err = d.asAgent(ctx, "curl", "-sS", "--fail-with-body", "-d", "{}", "https://"+modelHost+"/v1/messages")
	if err != nil || !strings.Contains(out, "Hello from the model") {
		return fmt.Errorf("through Sallyport the call should succeed: %w: %s", err, out)
	}
	return nil
}

// refused: what the policy does not allow is answered with the reason.
func (d *demo) refused(ctx context.Context) error {
	d.title("A call that the policy does not allow is refused, with its reason")
	before := d.service.calls.Load()
	out, err := d.asAgent(ctx, "curl", "-sS", "-X", "DELETE", "https://"+modelHost+"/v1/messages")
	if err != nil {
		return err
	}
	var problem struct {
		Type, Detail string
		Status       int
	}
	if err := json.Unmarshal([]byte(out), &problem); err != nil {
		return fmt.Errorf("the refusal is no problem document: %w: %s", err, out)
	}
	if problem.Status != 403 || problem.Type != "urn:sallyport:refusal:policy" || problem.Detail == "" {
		return fmt.Errorf("not refused by policy: %s", out)
	}
	if d.service.calls.Load() != before {
		return errors.New("the refused call reached the upstream")
	}
	return nil
}

// gitWork: clone, commit and push over smart HTTP, without a git credential.
func (d *demo) gitWork(ctx context.Context) error {
	d.title("git clone, commit and push, with no token in the sandbox")
	steps := [][]string{
		{"clone", "--quiet", "https://" + gitHost + "/acme/web.git", "web"},
		{"-C", "web", "commit", "--quiet", "--allow-empty", "-m", "work of the demo agent"},
		{"-C", "web", "push", "--quiet", "origin", "HEAD:refs/heads/agent/demo"},
		{"-C", "web", "ls-remote", "origin"},
	}
	var out string
	for _, step := range steps {
		var err error
		if out, err = d.asAgent(ctx, "git", step...); err != nil {
			return fmt.Errorf("git %s: %w: %s", strings.Join(step, " "), err, out)
		}
	}
	if !strings.Contains(out, "refs/heads/agent/demo") {
		return fmt.Errorf("the push did not arrive: %s", out)
	}
	return nil
}

// suspended: an open stream ends, and the next call gets nowhere.
func (d *demo) suspended(ctx context.Context) error {
	d.title("Suspending the agent cuts what is open, now")
	cmd := d.command(ctx, "curl", "-sSN", "https://"+modelHost+"/v1/events")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	first, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the event stream did not begin: %w", err)
	}
	d.show("agent$ curl -N https://api.demo.test/v1/events &", first)

	started := time.Now()
	if _, err := d.home.Run(ctx, "agent", "suspend", d.agent.ID, "--reason", "the demo says so"); err != nil {
		return err
	}
	if err := cmd.Wait(); err == nil {
		return errors.New("the cut stream looked complete to curl")
	}
	took := time.Since(started)
	if took > 2*time.Second { // the promise is 1 s; starting the command takes its part
		return fmt.Errorf("the open stream went on for %s", took)
	}
	d.say("$ sallyport agent suspend %s --reason 'the demo says so'", d.agent.ID)
	d.say("  the stream ended with an error after %d ms", took.Milliseconds())
	out, err := d.asAgent(ctx, "curl", "-sS", "-d", "{}", "https://"+modelHost+"/v1/messages")
	if err == nil {
		return fmt.Errorf("a suspended agent got through: %s", out)
	}
	return nil
}

// trail: who did what, and is the record whole?
func (d *demo) trail(ctx context.Context) error {
	d.title("Who did what, on whose responsibility, by which rule")
	out, err := d.home.Run(ctx, "audit", "list")
	if err != nil {
		return err
	}
	d.show("$ sallyport audit list", out)
	rows, err := d.home.Trail(ctx)
	if err != nil {
		return err
	}
	outcomes := map[string]int{}
	for _, row := range rows {
		if row.Outcome != nil {
			outcomes[*row.Outcome]++
		}
	}
	if outcomes["completed"] == 0 || outcomes["refused"] == 0 || outcomes["revoked"] == 0 {
		return fmt.Errorf("the trail lacks an outcome that was just seen: %v", outcomes)
	}
	if out, err = d.home.Run(ctx, "audit", "verify"); err != nil {
		return err
	}
	d.show("$ sallyport audit verify", out)
	return nil
}

// search: neither the agent nor the trail ever held a secret.
func (d *demo) search(ctx context.Context) error {
	d.title("The secrets are nowhere the agent or the trail could show them")
	dump, err := rig.Dump(ctx, d.home.Dir)
	if err != nil {
		return err
	}
	events, err := d.home.Run(ctx, "audit", "events")
	if err != nil {
		return err
	}
	sandbox, err := readAll(d.sandbox)
	if err != nil {
		return err
	}
	places := []struct {
		name string
		data []byte
	}{
		{"what curl and git printed", []byte(d.seen.String())},
		{"the agent's folder and environment", append(sandbox, strings.Join(d.env, "\n")...)},
		{"sallyport audit events", []byte(events)},
		{"state/: databases, write-ahead logs, every column", dump},
		{"the log of sallyport serve", []byte(d.server.Log())},
	}
	for _, place := range places {
		for _, secret := range []string{d.service.modelKey, d.service.gitToken} {
			if form := rig.Find(place.data, secret); form != "" {
				return fmt.Errorf("%s holds a secret (%s)", place.name, form)
			}
		}
		d.say("  %-52s %8d bytes searched, no secret", place.name, len(place.data))
	}
	return nil
}

func readAll(dir string) ([]byte, error) {
	var all []byte
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		all = append(all, data...)
		return err
	})
	return all, err
}

// asAgent runs a command in the sandbox, prints it and remembers its output.
func (d *demo) asAgent(ctx context.Context, name string, args ...string) (string, error) {
	out, err := d.quiet(ctx, name, args...)
	d.show("agent$ "+name+" "+strings.Join(args, " "), out)
	return out, err
}

func (d *demo) quiet(ctx context.Context, name string, args ...string) (string, error) {
	out, err := d.command(ctx, name, args...).CombinedOutput()
	d.seen.Write(out)
	return string(out), err
}

func (d *demo) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = d.sandbox, d.env
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (d *demo) title(text string) { fmt.Fprintf(d.out, "\n── %s\n", text) }

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// show prints a command or a file name and, indented, what it holds.
func (d *demo) show(what, text string) {
	fmt.Fprintln(d.out, what)
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(d.out, "    %s\n", strings.TrimRight(line, "\n"))
	}
}
