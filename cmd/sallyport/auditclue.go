package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// clue is a mark that leads somewhere.
type clue struct {
	audit.Mark
	filter audit.Filter // finds what it leads to
}

// newClue is a clue that leads to what has the mark.
func newClue(kind audit.MarkKind, value string) clue {
	return clue{audit.Mark{Kind: kind, Value: value}, audit.Filter{Mark: value}}
}

var (
	commitForm    = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sumForm       = regexp.MustCompile(`^[0-9a-f]{64}$`)
	accessKeyForm = regexp.MustCompile(`^A[KS]IA[0-9A-Z]{12,}$`)
)

// readClue tells by its form what a value is.
func readClue(value string) clue {
	if mark, ok := audit.TokenMark(value); ok {
		return clue{audit.Mark{Kind: audit.MarkToken, Value: value}, audit.Filter{Mark: mark}}
	}
	kind := audit.MarkRequest
	switch lower := strings.ToLower(value); {
	case commitForm.MatchString(lower):
		kind, value = audit.MarkCommit, lower
	case sumForm.MatchString(lower): // or a commit of a repository that uses SHA-256
		kind, value = audit.MarkToken, lower
	case accessKeyForm.MatchString(value):
		kind = audit.MarkKey
	case strings.HasPrefix(value, "agent-"):
		return sourceClue(audit.MarkSource, value)
	}
	return newClue(kind, value)
}

// sourceClue names an agent when it has the form that Sallyport gives it.
func sourceClue(kind audit.MarkKind, value string) clue {
	name, ok := strings.CutPrefix(value, "agent-")
	if id, err := uuid.Parse(name); ok && err == nil {
		return clue{audit.Mark{Kind: kind, Value: value}, audit.Filter{Agent: id, Operation: "aws:*"}}
	}
	return newClue(kind, value)
}

// foreignEvent is what is read of an event of CloudTrail or of GitHub's audit log.
type foreignEvent struct {
	EventTime    time.Time `json:"eventTime"`
	RequestID    string    `json:"requestID"`
	UserIdentity struct {
		AccessKeyID    string `json:"accessKeyId"`
		ARN            string `json:"arn"`
		SessionContext struct {
			SourceIdentity string `json:"sourceIdentity"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	RequestParameters struct {
		SourceIdentity  string `json:"sourceIdentity"`
		RoleSessionName string `json:"roleSessionName"`
	} `json:"requestParameters"`
	ResponseElements struct {
		Credentials struct {
			AccessKeyID string `json:"accessKeyId"`
		} `json:"credentials"`
	} `json:"responseElements"`

	HashedToken     string `json:"hashed_token"`
	GitHubRequestID string `json:"request_id"`
	Timestamp       int64  `json:"@timestamp"` // milliseconds
}

// readEvents reads one event, or several as CloudTrail's files ({"Records": [...]})
// or its console's and GitHub's exports ([...]) have them.
func readEvents(data []byte) ([]foreignEvent, error) {
	var file struct {
		Records []foreignEvent `json:"Records"`
	}
	var list []foreignEvent
	switch text := strings.TrimSpace(string(data)); {
	case strings.HasPrefix(text, "["):
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	default:
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, fmt.Errorf("read event: %w", err)
		}
		if list = file.Records; list == nil {
			list = make([]foreignEvent, 1)
			if err := json.Unmarshal(data, &list[0]); err != nil {
				return nil, fmt.Errorf("read event: %w", err)
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no event in it")
	}
	return list, nil
}

// clues are those of an event, the one that says most first.
func (e *foreignEvent) clues() []clue {
	var list []clue
	add := func(kind audit.MarkKind, value string) {
		if value == "" {
			return
		}
		c := newClue(kind, value)
		switch kind {
		case audit.MarkToken:
			c = readClue(value)
		case audit.MarkSource, audit.MarkSession:
			c = sourceClue(kind, value)
		case audit.MarkRequest, audit.MarkKey, audit.MarkCommit: // they are what they say
		}
		list = append(list, c)
	}
	add(audit.MarkRequest, e.RequestID)
	add(audit.MarkRequest, e.GitHubRequestID)
	add(audit.MarkToken, e.HashedToken)
	add(audit.MarkKey, e.UserIdentity.AccessKeyID)
	add(audit.MarkKey, e.ResponseElements.Credentials.AccessKeyID)
	add(audit.MarkSource, e.UserIdentity.SessionContext.SourceIdentity)
	add(audit.MarkSource, e.RequestParameters.SourceIdentity)
	add(audit.MarkSession, e.RequestParameters.RoleSessionName)
	// arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	if role := strings.Split(e.UserIdentity.ARN, "/"); len(role) == 3 {
		add(audit.MarkSession, role[2])
	}
	return list
}

func (e *foreignEvent) at() time.Time {
	if e.Timestamp > 0 {
		return time.UnixMilli(e.Timestamp).UTC()
	}
	return e.EventTime
}
