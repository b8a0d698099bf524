package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// MaxLFSAnswer bounds the answer to a batch. GitHub answers for 100 objects at a time,
// with about 1 KiB for each.
const MaxLFSAnswer = 8 << 20

// Authorization is what the answer to an LFS batch gives for one transfer.
type Authorization struct {
	Href  string // where the transfer goes
	Value string // of its Authorization field
	// Life is how long the answer says that it is good; 0 if it does not say.
	Life time.Duration
}

// TakeLFSAuthorizations takes every authorization out of the answer to an LFS batch
// (git-lfs docs/api/batch.md, "Successful Responses") and puts in its place what take
// returns; with "" there is none. Whatever else is in the answer stays.
func TakeLFSAuthorizations(answer []byte, now time.Time, take func(Authorization) string) ([]byte, error) {
	t := taker{now: now, take: take}
	return rewrite(answer, func(value any) { t.walk(value, Authorization{}) })
}

// TakeRegistryTokens takes the tokens out of a registry's answer and puts in their place
// what take returns; with "" there is none. life is 0 if the answer does not tell it.
func TakeRegistryTokens(answer []byte, take func(token string, life time.Duration) string) ([]byte, error) {
	return rewrite(answer, func(value any) {
		fields, _ := value.(map[string]any)
		life := (&taker{}).life(fields)
		for key, one := range fields {
			if name := strings.ToLower(strings.TrimSpace(key)); name != "token" && name != "access_token" && name != "refresh_token" {
				continue
			}
			placeholder := ""
			if token, ok := one.(string); ok {
				placeholder = take(token, life)
			}
			if placeholder != "" {
				fields[key] = placeholder
			} else {
				delete(fields, key)
			}
		}
	})
}

// rewrite changes members of a JSON text, and leaves everything else in it as it was written.
func rewrite(text []byte, change func(value any)) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("the answer is not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the answer has something after its end")
	}
	change(value)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return out.Bytes(), nil
}

type taker struct {
	now  time.Time
	take func(Authorization) string
}

// walk looks for the field at any depth, also where the form of the answer has none. around
// is the action that value is a part of.
func (t *taker) walk(value any, around Authorization) {
	switch value := value.(type) {
	case []any:
		for _, one := range value {
			t.walk(one, around)
		}
	case map[string]any:
		if href, ok := value["href"].(string); ok {
			around = Authorization{Href: href, Life: t.life(value)}
		}
		for key, one := range value {
			if !strings.EqualFold(strings.TrimSpace(key), "authorization") {
				t.walk(one, around)
				continue
			}
			if placeholder := t.place(one, around); placeholder != "" {
				value[key] = placeholder
			} else {
				delete(value, key)
			}
		}
	}
}

// place returns what stands for one authorization.
func (t *taker) place(value any, around Authorization) string {
	text, ok := value.(string)
	if !ok || around.Href == "" {
		return ""
	}
	around.Value = text
	return t.take(around)
}

// life reads expires_in, which is preferred, or expires_at.
func (t *taker) life(action map[string]any) time.Duration {
	if number, ok := action["expires_in"].(json.Number); ok {
		if seconds, err := number.Float64(); err == nil && seconds > 0 && seconds < math.MaxInt32 {
			return time.Duration(seconds) * time.Second
		}
	}
	if text, ok := action["expires_at"].(string); ok {
		if at, err := time.Parse(time.RFC3339, text); err == nil && at.After(t.now) {
			return at.Sub(t.now)
		}
	}
	return 0
}
