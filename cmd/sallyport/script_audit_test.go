package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/sqlite"
)

// field FILE KEY NAME: sets the variable to a field of the JSON object in FILE,
// or of the first one of an array. KEY may lead through others: list.0.name.
func field(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	d := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	var value any = first(ts, v)
	for step := range strings.SplitSeq(args[1], ".") {
		switch at := value.(type) {
		case map[string]any:
			value = at[step]
		case []any:
			n, err := strconv.Atoi(step)
			ts.Check(err)
			value = at[n]
		}
	}
	if value == nil {
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
	ts.Setenv(args[2], fmt.Sprint(value))
}

// sql FILE STATEMENTS: changes a database as an intruder would.
func changeDatabase(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sqlite.Open(ts.MkAbs(args[0]), sqlite.Options{})
	ts.Check(err)
	_, err = db.Exec(args[1])
	ts.Check(err)
	ts.Check(db.Close())
}

// replace FILE OLD NEW: changes the first OLD in the file.
func replaceIn(ts *testscript.TestScript, neg bool, args []string) {
	data := []byte(ts.ReadFile(args[0]))
	changed := bytes.Replace(data, []byte(args[1]), []byte(args[2]), 1)
	if bytes.Equal(changed, data) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), changed, 0o600))
}

// told TYPE REGEXP: the trail has an event of this type that says so, and which
// local user asked for it.
func told(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("sallyport", "audit", "events", "--type", args[0]))
	what := regexp.MustCompile(args[1])
	who := regexp.MustCompile(`"uid":[0-9]+,"user":"[^"]+","via":"[a-z]+"`)
	events := ts.ReadFile("stdout")
	for line := range strings.Lines(events) {
		if what.MatchString(line) && who.MatchString(line) {
			return
		}
	}
	ts.Fatalf("no event %s says %s and who asked:\n%s", args[0], args[1], events)
}

// exchanges FILE: begins and ends what FILE has, one {"in": Intent, "out": Outcome}
// a line, in the trail of HOME, with the events of "beside" between the two.
func exchanges(ts *testscript.TestScript, neg bool, args []string) {
	writer, err := trail.Open(context.Background(), trail.Config{Path: filepath.Join(ts.Getenv("SALLYPORT_HOME"), "state", "audit.db")})
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var x struct {
			In     audit.Intent
			Out    *audit.Outcome
			Beside []audit.Event
		}
		ts.Check(json.Unmarshal([]byte(line), &x))
		x.In.ID = audit.NewID()
		ts.Check(writer.Begin(context.Background(), &x.In))
		for _, e := range x.Beside {
			e.Exchange = x.In.ID
			ts.Check(writer.Record(context.Background(), e))
		}
		if x.Out != nil {
			x.Out.EndedAt = x.In.StartedAt.Add(time.Second)
			writer.End(x.In.ID, x.Out)
		}
	}
	ts.Check(writer.Close(context.Background()))
}

// interrupt FILE ARG...: runs sallyport on a trail with more than any pipe holds, sends it
// an interrupt once its first line is there, and keeps what it says of that in FILE.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	fill(ts, 2000)
	var program string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, "sallyport"); program == "" && isFile(path) {
			program = path
		}
	}
	cmd := exec.Command(program, args[1:]...) //nolint:noctx // it is interrupted
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "SALLYPORT_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewReader(stdout)
	_, err = lines.ReadString('\n')
	ts.Check(err)
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, lines)
	ts.Check(err)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		ts.Fatalf("ended with %v\n%s", err, said.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), said.Bytes(), 0o600))
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

func fill(ts *testscript.TestScript, n int) {
	writer, err := trail.Open(context.Background(), trail.Config{Path: filepath.Join(ts.Getenv("SALLYPORT_HOME"), "state", "audit.db")})
	ts.Check(err)
	for range n {
		in := audit.Intent{ID: audit.NewID(), StartedAt: time.Now(), Host: "a.example", Path: "/filled"}
		ts.Check(writer.Refused(context.Background(), &in, &audit.Outcome{EndedAt: time.Now(), Outcome: audit.OutcomeRefused}))
	}
	ts.Check(writer.Close(context.Background()))
}

// mode FILE OCTAL: who may read and write the file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	fi, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if have := fmt.Sprintf("%04o", fi.Mode().Perm()); have != args[1] {
		ts.Fatalf("%s has mode %s", args[0], have)
	}
}

// capture FILE REGEXP NAME: sets the variable to the first group.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[0]))
	if found == nil {
		ts.Fatalf("%s does not match %s", args[0], args[1])
	}
	ts.Setenv(args[2], found[1])
}

// collector: takes what is posted with the right authorization; COLLECTOR is
// its address.
func collector(ts *testscript.TestScript, neg bool, args []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer wanted" {
			http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("COLLECTOR", server.URL)
}

// policies N: puts so many into HOME.
func policies(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for i := range n {
		name := fmt.Sprintf("a-policy-with-a-name-that-is-rather-long-number-%d", i)
		ts.Check(os.WriteFile(filepath.Join(ts.Getenv("SALLYPORT_HOME"), "policies", name+".yaml"), []byte("policy: "+name+"\nrules: []\n"), 0o600))
	}
}
