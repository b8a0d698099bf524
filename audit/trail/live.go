package trail

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/uuid"

	"sallyport/audit"
)

// liveSuffix and an instance's name make the name of a file that the instance
// keeps locked for as long as it can end what it has begun. It says so to the
// process that writes the trail after it; the kernel takes the lock away with
// the process.
const liveSuffix = "-live-"

// instanceNames can be names of files. An exchange of any other instance counts
// as one of a dead one.
var instanceNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,150}$`)

// announce locks this instance's file and removes those of the dead. The caller
// holds the writer's lock, so that no other file is being made.
func announce(path, instance string) (*fileLock, error) {
	old, _ := filepath.Glob(path + liveSuffix + "*") // without a match there is nothing to remove
	for _, name := range old {
		if locked, err := isLocked(name); err == nil && !locked {
			_ = os.Remove(name)
		}
	}
	if !instanceNames.MatchString(instance) {
		return nil, nil //nolint:nilnil // without a name there is nothing to lock
	}
	return lockFile(path + liveSuffix + instance)
}

// lives says whether the instance can still end what it has begun.
func lives(path, instance string) bool {
	if !instanceNames.MatchString(instance) {
		return false
	}
	locked, err := isLocked(path + liveSuffix + instance)
	return locked || err != nil // who cannot be asked is not declared dead
}

// anyLives says whether some instance can, also while no process writes.
func anyLives(path string) bool {
	names, _ := filepath.Glob(path + liveSuffix + "*") // without a match nobody does
	for _, name := range names {
		if locked, err := isLocked(name); err == nil && locked {
			return true
		}
	}
	return false
}

// instanceOf reads which instance has begun an exchange, "" if that is not known.
func instanceOf(payload []byte) string {
	var in audit.Intent
	if err := audit.DecodeIntent(payload, &in); err != nil {
		return ""
	}
	return in.Instance
}

// dead lists what instances have left open that live no more, and takes it out of
// theirs.
func (o *opened) dead(path string) []uuid.UUID {
	alive := map[string]bool{o.own: o.own != ""}
	var dead []uuid.UUID
	for id, instance := range o.theirs {
		if _, asked := alive[instance]; !asked {
			alive[instance] = lives(path, instance)
		}
		if !alive[instance] {
			dead = append(dead, id)
			delete(o.theirs, id)
		}
	}
	return dead
}

// mourn closes what the dead have left open.
func (w *committer) mourn() {
	if len(w.theirs) == 0 {
		return
	}
	dead := w.dead(w.store.path)
	for _, id := range dead {
		e := w.pools.entry()
		e.outcome(id, w.now(), &audit.Outcome{
			Outcome: audit.OutcomeInterrupted, BytesSent: -1, BytesReceived: -1, Error: "the process ended before the exchange did",
		})
		w.queue.push(e)
	}
	if len(dead) > 0 {
		w.log.Warn("closed exchanges that a process left open when it ended", "exchanges", len(dead))
	}
}
