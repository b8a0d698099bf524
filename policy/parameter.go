package policy

import (
	"fmt"
	"strings"

	"sallyport/internal/authfield"
)

// parameter is one key of a rule's query and the values listed for it.
type parameter struct {
	name   string
	folded string // the name as authfield.Fold writes it
	values []string
}

// matchQuery answers for all parameters of a rule; result is what the rest of
// the rule said.
func matchQuery(parameters []parameter, raw string, result Verdict) Verdict {
	if !isReadable(raw) {
		return unreadable
	}
	for i := range parameters {
		if result = min(result, parameters[i].match(raw)); result == Mismatch {
			return Mismatch
		}
	}
	return result
}

// isReadable refuses what servers split in different ways: ";" parts pairs for
// some, and an invalid escape stands for itself or ends the pair.
func isReadable(raw string) bool {
	for i := range len(raw) {
		switch raw[i] {
		case ';':
			return false
		case '%':
			if _, ok := unescape(raw[i:]); !ok {
				return false
			}
		}
	}
	return true
}

// match is certain if the key is there and every value of it is listed, and in
// doubt if one is: which of several values counts is up to the server. So is whether a
// name in another case or spelling is the key: it never makes a match, and may undo one.
func (p *parameter) match(raw string) Verdict {
	var present, listed bool
	all := true
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		sure, maybe := equalEscaped(key, p.name)
		if !maybe {
			_, maybe = authfield.SameParameter(key, p.folded)
		}
		if !maybe || pair == "" {
			continue
		}
		valueSure, valueMaybe := p.lists(value)
		present = present || sure
		listed = listed || valueMaybe
		all = all && valueSure
	}
	switch {
	case present && all:
		return Matched
	case listed:
		return Doubtful
	}
	return Mismatch
}

func (p *parameter) lists(value string) (sure, maybe bool) {
	for _, v := range p.values {
		s, m := equalEscaped(value, v)
		sure, maybe = sure || s, maybe || m
	}
	return sure, maybe
}

// equalEscaped compares a percent-encoded text with a plain one. It is sure by
// the reading of forms, where "+" is a space (WHATWG URL, section 5.1); where
// "+" is itself, as in RFC 3986, it may be equal.
func equalEscaped(raw, want string) (sure, maybe bool) {
	form, plain := true, true
	n := 0
	for i := 0; i < len(raw); i++ {
		if n == len(want) || !form && !plain {
			return false, false
		}
		c := raw[i]
		switch c {
		case '+':
			form, plain = form && want[n] == ' ', plain && want[n] == '+'
			n++
			continue
		case '%':
			c, _ = unescape(raw[i:]) // isReadable has seen every escape
			i += 2
		}
		form, plain = form && want[n] == c, plain && want[n] == c
		n++
	}
	return form && n == len(want), (form || plain) && n == len(want)
}

// explainQuery says which parameter a query fails. The caller knows that one
// does.
func explainQuery(parameters []parameter, raw string) string {
	if !isReadable(raw) {
		return "the rule reads the query, and this one has a ; or an invalid percent-escape"
	}
	for i := range parameters {
		p := &parameters[i]
		listed := strings.Join(p.values, ", ")
		switch p.match(raw) {
		case Mismatch:
			return fmt.Sprintf("query %s: [%s] does not match ?%s", p.name, listed, raw)
		case Doubtful:
			return fmt.Sprintf("query %s: [%s] matches only some values, or only one reading, of ?%s", p.name, listed, raw)
		case Matched, unreadable:
		}
	}
	return ""
}
