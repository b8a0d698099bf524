package services_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/services"
)

// shop has a log in which an order is {"shop": NUMBER}, and receipts like shop-NUMBER.
type shop struct{ services.Service }

func (shop) Recognize(value string) (services.Clue, bool) {
	return services.NewClue(audit.MarkSession, value), value == "shop-1"
}

func (shop) ReadLog(object []byte) ([]services.Sighting, error) {
	var order struct{ Shop *int }
	if err := json.Unmarshal(object, &order); err != nil {
		return nil, errors.New("the shop cannot read it")
	}
	switch {
	case order.Shop == nil:
		return nil, nil
	case *order.Shop == 0:
		return []services.Sighting{}, nil
	}
	return []services.Sighting{{Clues: []services.Clue{services.NewClue(audit.MarkRequest, "shop")}}}, nil
}

// mute is a service that shows nothing.
type mute struct{ services.Service }

func all() []services.Service { return []services.Service{mute{}, shop{}} }

func TestAValueIsAServicesOrAFingerprintOrARequest(t *testing.T) {
	t.Parallel()
	const sum = "040392ba33d84ea58a0c672a74e31186934bb9a3672322a4bc7353c84380EEB5"
	for value, want := range map[string]audit.Mark{
		"shop-1":  {Kind: audit.MarkSession, Value: "shop-1"},
		"shop-2":  {Kind: audit.MarkRequest, Value: "shop-2"},
		sum:       {Kind: audit.MarkToken, Value: "040392ba33d84ea58a0c672a74e31186934bb9a3672322a4bc7353c84380eeb5"},
		sum[1:]:   {Kind: audit.MarkRequest, Value: sum[1:]},
		"F00D:1 ": {Kind: audit.MarkRequest, Value: "F00D:1 "},
	} {
		clue := services.Recognize(all(), value)
		assert.Equal(t, want, clue.Mark, value)
		assert.Equal(t, audit.Filter{Mark: want.Value}, clue.Filter, value)
		assert.Nil(t, clue.Carriers, value)
	}
}

func TestALogIsReadByWhoseItIs(t *testing.T) {
	t.Parallel()
	ours := services.Sighting{Clues: []services.Clue{services.NewClue(audit.MarkRequest, "shop")}}
	for text, want := range map[string][]services.Sighting{
		`{"shop": 1}`:                            {ours},
		" \n[{\"shop\": 1}, {}, {\"shop\": 2}] ": {ours, {}, ours},
		`{"of": "nobody"}`:                       {{}},
		`null`:                                   {{}},
		`[{"shop": 0}, {"shop": 1}]`:             {ours},
	} {
		seen, err := services.ReadLog(all(), []byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, seen, text)
	}
	for text, want := range map[string]string{
		``:                      "read event: unexpected end of JSON input",
		`{"shop": 1} {}`:        "read event: invalid character '{' after top-level value",
		`[{"shop": 1}`:          "read events: unexpected end of JSON input",
		`[{"shop": 1}, "shop"]`: "read event: the shop cannot read it",
		`[]`:                    "there is no event in it",
		`{"shop": 0}`:           "there is no event in it",
	} {
		_, err := services.ReadLog(all(), []byte(text))
		require.EqualError(t, err, want, text)
	}
}
