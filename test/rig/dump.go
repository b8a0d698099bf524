package rig

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sallyport/internal/sqlite"
)

// Dump is everything that HOME/state holds, as bytes to search: each file as
// it lies on disk (databases, write-ahead logs, keys) and each column of each
// table, so that a value split over two database pages is whole at least once.
func Dump(ctx context.Context, home string) ([]byte, error) {
	var all bytes.Buffer
	err := filepath.WalkDir(filepath.Join(home, "state"), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || (err == nil && !d.Type().IsRegular()) {
			return nil // a socket, or a write-ahead log that was just folded in
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		all.Write(data)
		if strings.HasSuffix(name, ".db") {
			return dumpTables(ctx, &all, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump %s: %w", home, err)
	}
	return all.Bytes(), nil
}

func dumpTables(ctx context.Context, w *bytes.Buffer, file string) error {
	db, err := sqlite.Open(file, sqlite.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	names, err := column(ctx, db, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return err
	}
	for _, table := range names {
		if err := dumpTable(ctx, w, db, string(table)); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

func column(ctx context.Context, db *sql.DB, query string) ([]sql.RawBytes, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []sql.RawBytes
	for rows.Next() {
		var v []byte
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}

func dumpTable(ctx context.Context, w *bytes.Buffer, db *sql.DB, table string) error {
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+table+`"`)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]sql.RawBytes, len(names))
	targets := make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		for _, v := range values {
			w.Write(v)
			w.WriteByte('\n')
		}
	}
	return rows.Err()
}

// Find says in which form data holds the secret: as it is, in base64 at any
// of the three offsets, percent-encoded or in hexadecimal; "" if in none.
func Find(data []byte, secret string) string {
	forms := map[string]string{
		"as it is":        secret,
		"hexadecimal":     hex.EncodeToString([]byte(secret)),
		"percent-encoded": url.QueryEscape(secret),
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for offset := range 3 {
			// The first and the last characters depend on what stands beside
			// the secret; what lies between does not.
			text := encoding.WithPadding(base64.NoPadding).EncodeToString([]byte("xx"[:offset] + secret))
			head := []int{0, 2, 3}[offset]
			forms[fmt.Sprintf("base64 at offset %d", offset)] = text[head : len(text)-2]
		}
	}
	for name, form := range forms {
		if bytes.Contains(data, []byte(form)) {
			return name
		}
	}
	return ""
}
