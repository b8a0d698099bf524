package trail

import (
	"context"
	"database/sql"
	"fmt"
)

// readBare reads whether the rows of exchanges have texts, and which is the last that has
// none yet.
func readBare(ctx context.Context, conn *sql.Conn) (texts bool, bare int64, err error) {
	err = conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pragma_table_info('projection') WHERE name = 'bare')").Scan(&texts)
	if err != nil || !texts {
		return false, 0, err
	}
	if err = conn.QueryRowContext(ctx, "SELECT bare FROM projection").Scan(&bare); err != nil {
		return true, 0, fmt.Errorf("projection: how far it has texts: %w", err)
	}
	return true, bare, nil
}

// sameTexts reports whether a row has the texts of its intent, or none if its turn has
// not come.
func (w *projectionWalk) sameTexts(r *projectedRow, path, resource string) bool {
	if !w.texts {
		return true
	}
	if r.seq <= w.bare {
		return !r.texts.path.Valid && !r.texts.resource.Valid
	}
	return r.texts.path.Valid && r.texts.path.String == path && r.texts.resource.Valid && r.texts.resource.String == resource
}

// sameRefusal reports whether a row has the refusal of its outcome. One whose turn has
// not come has it only if it ended since.
func (w *projectionWalk) sameRefusal(r *projectedRow, refusal string) bool {
	if !w.texts || r.seq <= w.bare && !r.texts.refusal.Valid {
		return true
	}
	return r.texts.refusal.String == refusal && r.texts.refusal.Valid == (refusal != "")
}
