package audit

import (
	"strings"

	"github.com/google/uuid"
)

// sought is what a filter makes an index look for.
type sought struct {
	// terms are to be found all, each in one of its forms. Those that few exchanges have come first.
	terms   [][]term
	needles [][]byte // in the intent's payload
	never   bool     // nothing can match
}

// maxForms operations that a pattern means are looked for one by one; more are
// looked for by what they begin with.
const maxForms = 16

// seek says what to look for. Which operations there are that a pattern means, only the trail knows.
func (f *Filter) seek(operations func() ([]string, error)) (sought, error) {
	var q sought
	if f.Mark != "" {
		q.terms = append(q.terms, []term{newTerm(fieldMark, f.Mark)})
	}
	for _, field := range searchFields {
		if field.name == "agent_name" && f.Agent != uuid.Nil {
			q.word(agentField.terms(), string(f.Agent[:]))
		}
		if field.glob { // it is told by the kinds
			q.texts(f.Text)
			if err := q.operation(f.Operation, operations); err != nil {
				return sought{}, err
			}
			continue
		}
		q.field(field, *field.filter(f))
	}
	if f.Status != 0 {
		q.terms = append(q.terms, []term{term(fieldStatus)<<40 | term(f.Status)})
	}
	return q, nil
}

func (q *sought) texts(text string) {
	for _, t := range grams(text) {
		q.terms = append(q.terms, []term{t, hasLongPath})
	}
}

// field looks for a word in an intent, where it is to be found as it is, or in an outcome.
func (q *sought) field(f *field, value string) {
	switch {
	case value == "":
	case f.in.of != nil:
		q.word(f.terms(), value)
	default:
		q.terms = append(q.terms, []term{newTerm(f.terms(), value)})
	}
}

func (q *sought) word(field byte, value string) {
	if value != "" {
		q.terms = append(q.terms, []term{newTerm(field, value)})
		q.needles = append(q.needles, []byte(value))
	}
}

// operation finds out what a pattern means: the operations that there are.
func (q *sought) operation(pattern string, operations func() ([]string, error)) error {
	prefix, _, wild := strings.Cut(pattern, "*")
	if !wild {
		q.word(tagOperation, pattern)
		return nil
	}
	names, err := operations()
	if err != nil {
		return err
	}
	if len(names) <= maxForms {
		q.never = len(names) == 0
		var forms []term
		for _, name := range names {
			forms = append(forms, newTerm(tagOperation, name))
		}
		q.terms = append(q.terms, forms)
		return nil
	}
	if all := services(prefix); len(all) > 0 {
		q.terms = append(q.terms, []term{newTerm(fieldService, all[len(all)-1])})
	}
	return nil
}
