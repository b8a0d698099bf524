package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/services"
)

// around is how far from the time that an event gives its exchange may have been: both clocks may be
// wrong, and a service may write its log long after it answered.
const around = 15 * time.Minute

type whodidFlags struct {
	event, repository, since, until string
	limit                           int
}

func newAuditWhodidCommand(a *app) *cobra.Command {
	var f whodidFlags
	cmd := &cobra.Command{
		Use:   "whodid VALUE | whodid --event FILE",
		Short: "Name the agent behind what another system shows",
		Long: `Names the agent, its owner and the exchanges behind what another system shows:

  GitHub      a hashed_token of the audit log, an x-github-request-id, or the address of
              what a call has made: a pull request, an issue, a comment, a release
  CloudTrail  an accessKeyId, a sourceIdentity (agent-UUID), a session name or a requestID
  git         a commit that a push moved a ref to or from

--event reads a whole event of CloudTrail or of GitHub's audit log, or a file of them (- for standard
input), and takes the clue in it that says most. A token or session that agents share has several
candidates, and all are named. Exits 1 if there is none.

A push records where it moved its refs from and to, not the commits between. With --repo, a clone that
has them, a commit in between is found too.`,
		Example: `  sallyport audit whodid 'RoB0+Sm6XDrTo2v2nHf3JQrCdNy0RGgtcI8ieldVwRY='
  sallyport audit whodid acme/web#17
  sallyport audit whodid --event event.json
  sallyport audit whodid --repo ~/src/web 7fd1a60b01f91b314f59955a4e4d4e80d8edf11d`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return whoDid(a, cmd, f, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.event, "event", "", "read an event of CloudTrail or GitHub's audit log from this file; - for standard input")
	flags.StringVar(&f.repository, "repo", "", "a clone in which to look what lies between the commits that pushes name")
	flags.StringVar(&f.since, "since", "", "only exchanges started at this time or later: '2026-01-31 09:00', yesterday, or 2h for two hours ago")
	flags.StringVar(&f.until, "until", "", "only exchanges started before this time, written as for --since")
	flags.IntVar(&f.limit, "limit", 20, "tell at most so many exchanges; all are counted")
	return cmd
}

func whoDid(a *app, cmd *cobra.Command, f whodidFlags, args []string) error {
	if (len(args) == 1) == (f.event != "") {
		return usagef("give either a value or --event FILE")
	}
	if f.limit < 1 {
		return usagef("--limit must be 1 or more")
	}
	since, err := parseMoment("--since", f.since, a.here())
	if err != nil {
		return err
	}
	until, err := parseMoment("--until", f.until, a.here())
	if err != nil {
		return err
	}
	seen, err := whatWasSeen(a, cmd.InOrStdin(), f.event, args)
	if err != nil {
		return err
	}
	answers := make([]*answer, 0, len(seen))
	err = a.readTrail(func(r *trail.Reader) error {
		for i := range seen {
			q := inquiry{reader: r, limit: f.limit, since: since, until: until, at: seen[i].At, repository: f.repository}
			answer, err := q.ask(cmd.Context(), seen[i].Clues)
			if err != nil {
				return err
			}
			answers = append(answers, answer)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tellAnswers(a, answers, f.event == "")
}

// whatWasSeen is the value of the command line, or the events of a file, as the services read it.
func whatWasSeen(a *app, stdin io.Reader, file string, args []string) ([]services.Sighting, error) {
	all := a.env().Rooms()
	if file == "" {
		return []services.Sighting{{Clues: []services.Clue{services.Recognize(all, strings.TrimSpace(args[0]))}}}, nil
	}
	data, err := readInput(stdin, file)
	if err != nil {
		return nil, err
	}
	seen, err := services.ReadLog(all, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return seen, nil
}

// maxEvents bounds a file of events.
const maxEvents = 64 << 20

func readInput(stdin io.Reader, name string) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxEvents+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxEvents {
		return nil, fmt.Errorf("%s is longer than %d bytes", name, maxEvents)
	}
	return data, nil
}

// inquiry is what is asked about one event.
type inquiry struct {
	reader       *trail.Reader
	limit        int
	since, until time.Time
	at           time.Time // the event's own time, if it says one
	repository   string
}

// answer is who did it, as far as the trail can tell.
type answer struct {
	Clue       *audit.Mark       `json:"clue"` // that led there, or the first; null when the event has none
	Candidates []audit.Candidate `json:"candidates"`
	Exchanges  []audit.Exchange  `json:"exchanges"`
	// Note says what the answer does not rest on, or why there is none.
	Note string `json:"note"`
}

// ask follows the clues, the one that says most first, until one leads
// somewhere.
func (q *inquiry) ask(ctx context.Context, clues []services.Clue) (*answer, error) {
	if len(clues) == 0 {
		return &answer{Note: "the event has no request id, token, access key, source identity or session name"}, nil
	}
	for i := range clues {
		if found, err := q.follow(ctx, &clues[i]); err != nil || found != nil {
			return found, err
		}
	}
	c := &clues[0]
	none := &answer{Clue: &c.Mark, Note: "nothing in the trail has it"}
	if c.Carriers != nil {
		if q.repository != "" {
			return q.between(ctx, c)
		}
		none.Note = "no push moved a ref to or from this commit; a push names only these two, so if it brought several commits, " +
			"give one that it ended with, or a clone that has them with --repo"
	}
	return none, nil
}

func (q *inquiry) follow(ctx context.Context, c *services.Clue) (*answer, error) {
	f := c.Filter
	f.Since, f.Until, f.Limit = q.since, q.until, q.limit
	found := &answer{Clue: &c.Mark}
	var err error
	if !q.at.IsZero() && c.Kind != audit.MarkRequest && f.Since.IsZero() && f.Until.IsZero() {
		f.Since, f.Until = q.at.Add(-around), q.at.Add(around)
		found.Note = "exchanges within " + around.String() + " of the event"
	}
	found.Candidates, found.Exchanges, err = q.reader.Candidates(ctx, f)
	if err == nil && len(found.Candidates) == 0 && found.Note != "" {
		f.Since, f.Until = q.since, q.until
		found.Note = "none at the time of the event; these are of another time"
		found.Candidates, found.Exchanges, err = q.reader.Candidates(ctx, f)
	}
	if err != nil || len(found.Candidates) == 0 {
		return nil, err
	}
	return found, nil
}

var errNobody = errors.New("the trail names nobody")

func tellAnswers(a *app, answers []*answer, one bool) error {
	for _, found := range answers {
		found.Candidates = append([]audit.Candidate{}, found.Candidates...)
		found.Exchanges = append([]audit.Exchange{}, found.Exchanges...)
	}
	var err error
	switch {
	case a.json() && one:
		err = writeJSON(a.stdout, answers[0])
	case a.json():
		err = writeJSON(a.stdout, answers)
	default:
		for i, found := range answers {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			err = errors.Join(err, tellAnswer(a, found))
		}
	}
	for _, found := range answers {
		if len(found.Candidates) == 0 {
			return errors.Join(err, errNobody)
		}
	}
	return err
}

func tellAnswer(a *app, found *answer) error {
	if found.Clue != nil {
		fmt.Fprintf(a.stdout, "%s %s\n", found.Clue.Kind, printable(found.Clue.Value))
	}
	if found.Note != "" {
		fmt.Fprintf(a.stdout, "%s\n", found.Note)
	}
	if len(found.Candidates) == 0 {
		return nil
	}
	if n := len(found.Candidates); n > 1 {
		fmt.Fprintf(a.stdout, "shared: any of %d agents may have done it\n", n)
	}
	var rows [][]string
	total := uint64(0)
	for _, c := range found.Candidates {
		total += c.Exchanges
		rows = append(rows, []string{c.AgentName, c.Agent.String(), c.Owner, c.Accountable, fmt.Sprint(c.Exchanges), a.moment(c.First), a.moment(c.Last)})
	}
	err := table(a.stdout, []string{"AGENT", "ID", "OWNER", "ACCOUNTABLE", "EXCHANGES", "FIRST", "LAST"}, rows)
	fmt.Fprintln(a.stdout)
	if uint64(len(found.Exchanges)) < total {
		fmt.Fprintf(a.stdout, "the newest %d of %d exchanges:\n", len(found.Exchanges), total)
	}
	return errors.Join(err, printExchanges(a, found.Exchanges))
}
