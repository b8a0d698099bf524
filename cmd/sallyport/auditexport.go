package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
)

// exportFlags say what is exported, in addition to the filters.
type exportFlags struct {
	auditFlags
	format, out string
	only        string
	after       uint64
	overwrite   bool
}

func newAuditExportCommand(a *app) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export --format jsonl|csv|ocsf|sqlite",
		Short: "Write exchanges and events for other tools, in their order",
		Long: `Writes exchanges that have ended, the oldest end first, and between them all other events, to standard output or a file:

  jsonl  one JSON object a line, as audit list -o json has exchanges; an event has a key "type"
  csv    with a heading; cells that a spreadsheet would take for formulas begin with '
  ocsf   one event of OCSF a line: API Activity (6003) for exchanges, Account Change (3001) for what was
         done to agents, Entity Management (3004) for everything else
  sqlite a database (--out) with tables exchanges and events, whose columns are the keys of their JSON

Events match filters by time, agent, owner, policy and credential; a filter by what only exchanges have leaves them out.

At its end it says on standard error where it got to; --after takes the next export on from there, with
every record in exactly one of the two. An exchange that is still open is in none until it has ended.`,
		Example: `  sallyport audit export --format csv --since 1d > trail.csv
  sallyport audit export --format ocsf --after 120437 --out today.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(a.here())
			if err != nil {
				return err
			}
			var encode encoder
			var heading string
			if f.format != formatSQLite {
				if encode, heading, err = exportForm(f.format, readBuild().Version); err != nil {
					return err
				}
			} else if f.out == "" {
				return usagef("--format sqlite is a file: give --out")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.searchTrail(ctx, &f.auditFlags, func(r *trail.Reader) error {
				var done exported
				if f.format == formatSQLite {
					done, err = exportTables(ctx, a, r, f, filter)
				} else {
					done, err = exportTrail(ctx, a, r, f, filter, heading, encode)
				}
				if err != nil { // what may not have been written is no place to go on from
					return err
				}
				return done.tell(a)
			})
		},
	}
	f.define(cmd)
	f.defineText(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.Limit, "limit", 0, "at most so many; 0 for all")
	flags.StringVar(&f.format, "format", "", "jsonl, csv, ocsf or sqlite (required)")
	flags.Uint64Var(&f.after, "after", 0, "only what ended after this event: go on where the export before stopped")
	flags.StringVar(&f.out, "out", "", "write to this file, which must not be there yet, instead of standard output")
	flags.BoolVar(&f.overwrite, "overwrite", false, "replace the file of --out if it is there")
	flags.StringVar(&f.only, "only", "", onlyUsage)
	require(cmd, "format")
	return cmd
}

// formatSQLite is the one format that is a database and not lines of text.
const formatSQLite = "sqlite"

const onlyUsage = "only exchanges or only events; both if it is not given"

// whichOf reads --only.
func whichOf(only string) (audit.Which, error) {
	switch only {
	case "":
		return audit.Everything, nil
	case "exchanges":
		return audit.Exchanges, nil
	case "events":
		return audit.Events, nil
	}
	return 0, usagef("--only %q is not exchanges or events", only)
}

// encoder appends one record as a line.
type encoder func(b []byte, r audit.Record) ([]byte, error)

// exportForm is how a format is written; the heading may be empty.
func exportForm(format, product string) (encode encoder, heading string, err error) {
	switch format {
	case "jsonl":
		return func(b []byte, r audit.Record) ([]byte, error) { return append(r.AppendJSON(b), '\n'), nil }, "", nil
	case "csv":
		lines := newCSVLines()
		line, err := lines.heading()
		return lines.append, line, err
	case "ocsf":
		return func(b []byte, r audit.Record) ([]byte, error) {
			b, err := r.AppendOCSF(b, product)
			return append(b, '\n'), err
		}, "", nil
	}
	return nil, "", usagef("--format %q is not jsonl, csv, ocsf or sqlite", format)
}

// sink takes the records of an export; end writes what it still holds.
type sink struct {
	add func(audit.Record) error
	end func() error
}

// exportTrail writes lines.
func exportTrail(ctx context.Context, a *app, r *trail.Reader, f exportFlags, filter audit.Filter, heading string, encode encoder) (done exported, err error) {
	to, finish, err := exportTo(a, f)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, finish(err)) }()
	w := bufio.NewWriterSize(to, 64<<10)
	if _, err := w.WriteString(heading); err != nil {
		return done, err
	}
	var line []byte
	return exportRecords(ctx, a, r, f, filter, sink{end: w.Flush, add: func(x audit.Record) (err error) {
		if line, err = encode(line[:0], x); err != nil {
			return fmt.Errorf("%s %s: %w", x.Type(), x.ID(), err)
		}
		_, err = w.Write(line)
		return err
	}})
}

// exportTables writes a database.
func exportTables(ctx context.Context, a *app, r *trail.Reader, f exportFlags, filter audit.Filter) (done exported, err error) {
	if err := f.mayWrite(); err != nil {
		return done, err
	}
	path := f.out + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	tables, err := trail.NewTables(ctx, path)
	if err != nil {
		return done, err
	}
	defer func() {
		err = errors.Join(err, tables.Close())
		err = errors.Join(err, f.place(path, err))
	}()
	return exportRecords(ctx, a, r, f, filter, sink{add: tables.Add, end: func() error { return nil }})
}

// exported is how far an export has got.
type exported struct {
	count int
	last  uint64 // the event to go on after
}

func (e exported) tell(a *app) error {
	_, err := fmt.Fprintf(a.stderr, "%d records; to go on later: --after %d\n", e.count, e.last)
	return err
}

// exportRecords puts what matches into a sink, and says where it has got to.
func exportRecords(ctx context.Context, a *app, r *trail.Reader, f exportFlags, filter audit.Filter, to sink) (done exported, err error) {
	which, err := whichOf(f.only)
	if err != nil {
		return done, err
	}
	from := r.Follow(f.after, which)
	if err := from.Skip(ctx, filter); err != nil {
		return done, err
	}
	behind, err := from.Behind(ctx)
	if err != nil {
		return done, err
	}
	if behind < 0 {
		return done, fmt.Errorf("--after %d: the trail ends %d before it: it is another trail, or was rolled back", f.after, -behind)
	}
	head := from.After() + uint64(max(behind, 0))
	progress := a.progress("exported")
	done.last = f.after
	for more := true; more; {
		var list []audit.Record
		if list, more, err = from.Next(ctx, filter); ctx.Err() != nil {
			if err := to.end(); err != nil {
				return done, err
			}
			return done, f.stopped(done)
		} else if err != nil {
			return done, err
		}
		progress(from.After(), max(head, from.After()))
		for _, x := range list {
			if err := to.add(x); err != nil {
				return done, err
			}
			done.last = x.Seq()
			if done.count++; done.count == f.Limit {
				return done, to.end()
			}
		}
	}
	done.last = max(done.last, from.After())
	return done, to.end()
}

// stopped is the error of an export that a signal ended.
func (f exportFlags) stopped(done exported) error {
	if f.out != "" {
		return fmt.Errorf("stopped; %s is not written", f.out)
	}
	return fmt.Errorf("stopped after %d records; to go on later: --after %d", done.count, done.last)
}

// exportTo opens where to; finish closes it. A file is written beside its place and moved
// there when it is whole.
func exportTo(a *app, f exportFlags) (w io.Writer, finish func(error) error, err error) {
	if f.out == "" {
		return a.stdout, func(error) error { return nil }, nil
	}
	if err := f.mayWrite(); err != nil {
		return nil, nil, err
	}
	path := f.out + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return file, func(failed error) error {
		err := errors.Join(file.Sync(), file.Close())
		return errors.Join(err, f.place(path, errors.Join(failed, err)))
	}, nil
}

// place moves what is whole from path to its place, and removes what failed.
func (f exportFlags) place(path string, failed error) error {
	if failed != nil {
		return os.Remove(path)
	}
	if err := f.mayWrite(); err != nil { // somebody has put one there meanwhile
		return errors.Join(err, os.Remove(path))
	}
	return os.Rename(path, f.out)
}

func (f exportFlags) mayWrite() error {
	if f.overwrite {
		return nil
	}
	switch _, err := os.Lstat(f.out); {
	case err == nil:
		return hint.With(fmt.Errorf("%s is there already", f.out), "--overwrite replaces it")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

func writeJSONLine(a *app, x *audit.Exchange) error {
	_, err := a.stdout.Write(append(x.AppendJSON(nil), '\n'))
	return err
}

// csvLines writes records as lines of CSV, with what one line needs kept for the next.
type csvLines struct {
	cells []string
	line  bytes.Buffer
	w     *csv.Writer
}

func newCSVLines() *csvLines {
	l := &csvLines{}
	l.w = csv.NewWriter(&l.line)
	return l
}

func (l *csvLines) heading() (string, error) {
	audit.Record{Exchange: &audit.Exchange{}}.EachField(func(name string, _ []byte) { l.cells = append(l.cells, name) })
	line, err := l.end(nil)
	return string(line), err
}

func (l *csvLines) append(b []byte, r audit.Record) ([]byte, error) {
	r.EachField(func(_ string, value []byte) { l.cells = append(l.cells, inert(plain(value))) })
	return l.end(b)
}

// end appends the line of the cells so far.
func (l *csvLines) end(b []byte) ([]byte, error) {
	l.line.Reset()
	err := l.w.Write(l.cells)
	l.w.Flush()
	l.cells = l.cells[:0]
	return append(b, l.line.Bytes()...), errors.Join(err, l.w.Error())
}

// formulaMarks begin what spreadsheets take for a formula, the full-width ones among them
// in some languages (OWASP, CSV injection).
const formulaMarks = "=+-@\t\r＝＋－＠"

// cellEnds may end a cell for a program that was told to split lines elsewhere than at
// commas, or does so where the language of its user does. Such a program reads our quotes
// as characters, so that a cell of ours is several of its cells or even lines.
const cellEnds = ";|\t\r\n"

// inert keeps a spreadsheet from taking what an agent chose for a formula: wherever a cell
// may begin, a ' is put before what would begin one. Where there is such a ' already, there
// is then one more, so that to take one away gives back what was there.
func inert(cell string) string {
	if !strings.ContainsAny(cell, formulaMarks) {
		return cell
	}
	var b strings.Builder
	begins := true
	for rest := cell; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if begins && beginsFormula(rest) {
			b.WriteByte('\'')
		}
		b.WriteString(rest[:n])
		begins = strings.ContainsRune(cellEnds, r) || begins && strings.ContainsRune(` "`, r)
		rest = rest[n:]
	}
	return b.String()
}

// beginsFormula reports whether s begins with a formula's mark, or with one that is inert.
func beginsFormula(s string) bool {
	r, n := utf8.DecodeRuneInString(strings.TrimLeft(s, "'"))
	return n > 0 && strings.ContainsRune(formulaMarks, r)
}
