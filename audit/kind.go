package audit

import "github.com/google/uuid"

// kindFields are the fields that make up what kind of exchange it is, each a column of kinds.
func kindFields() []*field {
	for i, f := range intentFields.order {
		if f.in.tag >= tagPath {
			return intentFields.order[:i]
		}
	}
	return intentFields.order
}

// KindNames are the names of these fields, in the order of the columns of kinds.
func KindNames() []string {
	var names []string
	for _, f := range kindFields() {
		names = append(names, f.name)
	}
	return names
}

// KindColumns are the values of the columns.
func (in *Intent) KindColumns() []any {
	var values []any
	for _, f := range kindFields() {
		switch at := f.in.at(in).(type) {
		case *string:
			values = append(values, *at)
		case *uint16:
			values = append(values, int64(*at))
		case *uuid.UUID:
			var id []byte // NULL
			if *at != uuid.Nil {
				id = at[:]
			}
			values = append(values, id)
		}
	}
	return values
}

// KindTargets are where the columns are read into; of an agent, its bytes.
func (in *Intent) KindTargets(agent *[]byte) []any {
	var targets []any
	for _, f := range kindFields() {
		at := f.in.at(in)
		if _, ok := at.(*uuid.UUID); ok {
			at = agent
		}
		targets = append(targets, at)
	}
	return targets
}

// KindBytes returns the run of fields at the start of an intent's payload that
// make up its kind.
func KindBytes(payload []byte) ([]byte, error) {
	f := fields{rest: payload}
	for len(f.rest) > 0 && f.rest[0] < tagPath {
		if _, _, ok := f.next(); !ok {
			return nil, f.err
		}
	}
	return payload[:len(payload)-len(f.rest)], nil
}
