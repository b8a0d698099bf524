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
// as one of an instance that is gone.
var instanceNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,150}$`)

// announce locks this instance's file and removes those of instances that are gone. The caller
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
	return locked || err != nil // what cannot be asked counts as alive
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

// orphans lists what instances have left open that live no more, and takes it out of
// theirs.
func (o *opened) orphans(path string) []uuid.UUID {
	alive := map[string]bool{o.own: o.own != ""}
	var orphans []uuid.UUID
	for id, instance := range o.theirs {
		if _, asked := alive[instance]; !asked {
			alive[instance] = lives(path, instance)
		}
		if !alive[instance] {
			orphans = append(orphans, id)
			delete(o.theirs, id)
		}
	}
	return orphans
}

// endOrphans closes what processes that are gone have left open.
func (w *committer) endOrphans() {
	if len(w.opened.theirs) == 0 {
		return
	}
	orphans := w.opened.orphans(w.store.path)
	for _, id := range orphans {
		e := w.pools.entry()
		e.outcome(id, w.now(), &audit.Outcome{
			Outcome: audit.OutcomeInterrupted, BytesSent: -1, BytesReceived: -1, Error: "the process ended before the exchange did",
		})
		w.queue.push(e)
	}
	if len(orphans) > 0 {
		w.log.Warn("closed exchanges that a process left open when it ended", "exchanges", len(orphans))
	}
}
