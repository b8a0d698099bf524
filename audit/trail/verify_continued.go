package trail

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"strings"

	"sallyport/audit"
)

// logIdentity is an identity that signs a stretch of the trail.
type logIdentity struct {
	name, key string
	until     int64 // the last event that it may sign for
}

// continued is the payload of an event of type trail.continued.
type continued struct {
	wasLog, wasKey, log, key, root string
	events                         int64
}

func readContinued(payload []byte) (c continued, err error) {
	m, err := audit.DecodeMap(payload)
	if err != nil {
		return c, err
	}
	for key, into := range map[string]*string{"was_log": &c.wasLog, "was_key": &c.wasKey, "log": &c.log, "key": &c.key, "root": &c.root} {
		*into, _ = m[key].(string)
	}
	c.events, _ = m["events"].(int64)
	for name, key := range map[string]string{c.wasLog: c.wasKey, c.log: c.key} {
		v, err := audit.VerifierOf(key)
		if err != nil {
			return c, err
		}
		if v.Name() != name {
			return c, fmt.Errorf("key of %s under the name %s", v.Name(), name)
		}
	}
	return c, nil
}

// loadLogs reads who signs for which part of the trail, before the walk over the events
// shows whether they are what was written.
func (v *verifier) loadLogs(ctx context.Context) error {
	key := v.options.PublicKey
	query := selectEvents + " WHERE type = '" + audit.TypeTrailContinued + "' AND type NOT IN ('intent', 'outcome') ORDER BY seq"
	var last continued
	err := eachEvent(ctx, v.snapshot.conn, query, nil, func(e *audit.Encoded) error {
		c, err := readContinued(e.Payload)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		if last != (continued{}) && (last.log != c.wasLog || last.key != c.wasKey) {
			return fmt.Errorf("event %d: it continues %s, and the log before it is %s with another key or name", e.Seq, c.wasLog, last.log)
		}
		last = c
		v.logs = append(v.logs, logIdentity{name: c.wasLog, key: c.wasKey, until: int64(e.Seq) - 1})
		key = c.key
		v.report.Continued = append(v.report.Continued, audit.Continued{Event: e.Seq, Log: c.log, WasLog: c.wasLog})
		return nil
	})
	if err != nil {
		return v.unreadable(err)
	}
	v.logs = append(v.logs, logIdentity{name: last.log, key: key, until: math.MaxInt64})
	return v.findGiven()
}

// findGiven finds whose key was given. All that one log has signed covers what came before
// it, the events that name the earlier logs among it; who came later is told by the trail
// alone.
func (v *verifier) findGiven() error {
	v.given = len(v.logs) - 1
	if v.options.PublicKey == "" || len(v.logs) == 1 {
		v.vouch()
		return nil
	}
	for i, l := range v.logs {
		// The text, not the hash by which a signature names its key: that has 32 bits.
		if strings.TrimSpace(l.key) == strings.TrimSpace(v.options.PublicKey) {
			v.given = i
			v.vouch()
			return nil
		}
	}
	return v.stop("the public key is none of those that have signed this trail, which %s signs now", v.logs[v.given].name)
}

func (v *verifier) vouch() {
	for i := range v.report.Continued {
		v.report.Continued[i].Vouched = i < v.given && v.options.PublicKey != ""
	}
}

// logAt is the log that may sign for a tree of this size.
func (v *verifier) logAt(size int64) (logIdentity, int) {
	for i, l := range v.logs {
		if size <= l.until {
			return l, i
		}
	}
	return v.logs[len(v.logs)-1], len(v.logs) - 1
}

// checkContinued holds what an event says of the trail before it to the trail before it.
func (v *verifier) checkContinued(e *audit.Encoded) error {
	if e.Type != audit.TypeTrailContinued {
		return nil
	}
	c, err := readContinued(e.Payload)
	if err != nil {
		return v.problem("event %d: %v", e.Seq, err)
	}
	root := v.tree.Root()
	if c.events != v.tree.Size || c.root != base64.StdEncoding.EncodeToString(root[:]) {
		return v.problem("event %d continues a trail of %d events with another root than the one before it", e.Seq, c.events)
	}
	return nil
}

// KeyOf is the public key of the log that signed for the trail's first events of this
// number: current, unless a later one went on after a restore.
func (r *Reader) KeyOf(ctx context.Context, events uint64, current string) (string, error) {
	key, found := current, false
	query := selectEvents + " WHERE type = '" + audit.TypeTrailContinued + "' AND type NOT IN ('intent', 'outcome') AND seq > ? ORDER BY seq"
	err := eachEvent(ctx, r.db, query, []any{int64(events)}, func(e *audit.Encoded) error {
		c, err := readContinued(e.Payload)
		if err == nil && !found {
			key, found = c.wasKey+"\n", true
		}
		return err
	})
	return key, err
}
