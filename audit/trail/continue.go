package trail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"

	"sallyport/audit"
)

// Continuation makes a copied trail go on under a log identity of its own. The trail that
// it is a copy of may have gone on as well, and two logs that differ must not be signed
// for as one. Of the identity before, what it has signed stays valid up to the copy.
type Continuation struct {
	PublicKey string         // of the identity before
	Payload   map[string]any // why, from what and by whom, for the event
}

// continueAs commits the event. The new identity's key was made for it.
func (w *starting) continueAs(ctx context.Context, c *Continuation) error {
	if w.signer == nil {
		return errors.New("continue the trail: it needs a key to sign with")
	}
	before, err := audit.VerifierOf(c.PublicKey)
	if err != nil {
		return fmt.Errorf("continue the trail: %w", err)
	}
	if before.Name() == w.signer.key.Name() {
		return fmt.Errorf("continue the trail: the new log has the name of the one before, %s", before.Name())
	}
	newest, err := selectCheckpoint(ctx, w.store.conn, "ORDER BY size DESC LIMIT 1")
	if err != nil && !errors.Is(err, audit.ErrNoCheckpoint) {
		return err
	}
	root := w.tree.Root()
	payload := maps.Clone(c.Payload)
	if payload == nil {
		payload = map[string]any{}
	}
	maps.Copy(payload, map[string]any{
		"was_log": before.Name(), "was_key": strings.TrimSpace(c.PublicKey), "checkpoint": newest.Note,
		"events": w.tree.Size, "root": base64.StdEncoding.EncodeToString(root[:]),
		"log": w.signer.key.Name(), "key": w.signer.public,
	})
	return w.recordStart(audit.TypeTrailContinued, payload)
}
