#include "identify.h"

#include <stdio.h>
#include <string.h>

#include "key.h"
#include "object.h"
#include "piv.h"
#include "tlv.h"

enum { GUID_LEN = 16, SERIAL_LEN = 4, VERSION_LEN = 3 };

/* An instruction without parameters; the answer is empty where the card does not know it. */
static int ask(struct piv_card *c, uint8_t ins, uint8_t p2, struct buf *ret, struct err *e)
{
	const struct piv_command command = { .ins = ins, .p2 = p2, .asks = true };
	uint16_t status;

	if (piv_command(c, &command, ret, &status, e) != 0)
		return err_while(e, "asking who the card is");
	if (status != PIV_SW_OK)
		buf_clear(ret);
	return 0;
}

static int read_firmware(struct piv_card *c, struct identity *i, struct err *e)
{
	AUTO_STRUCT(buf) version = { 0 };

	if (ask(c, YUBICO_INS_VERSION, 0, &version, e) != 0)
		return -1;
	if (version.len == VERSION_LEN)
		(void)snprintf(i->firmware, sizeof(i->firmware), "%u.%u.%u", version.data[0],
		    version.data[1], version.data[2]);
	return 0;
}

static int read_serial(struct piv_card *c, struct identity *i, struct err *e)
{
	AUTO_STRUCT(buf) serial = { 0 };
	uint32_t number = 0;

	if (ask(c, YUBICO_INS_SERIAL, 0, &serial, e) != 0)
		return -1;
	if (serial.len != SERIAL_LEN)
		return err_set(e, ERR_DEVICE, "piv.identity",
		    "the card tells no serial number; where it has a GUID, write identity: guid");
	for (size_t k = 0; k < SERIAL_LEN; k++)
		number = number << 8 | serial.data[k];
	(void)snprintf(i->serial, sizeof(i->serial), "%u", number);
	return 0;
}

/* 8-4-4-4-12 */
static void write_uuid(const char hex[static 2 * GUID_LEN + 1], char ret[static 37])
{
	(void)snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
	    hex + 20);
}

static int read_guid(struct piv_card *c, const struct piv_options *o, struct identity *i,
    struct err *e)
{
	static const uint8_t none[GUID_LEN];
	AUTO_STRUCT(buf) chuid = { 0 };
	char hex[2 * GUID_LEN + 1];
	struct tlv guid;
	bool found;

	if (piv_get(c, PIV_OBJECT_CHUID, &chuid, &found, e) != 0)
		return -1;
	if (!found || !tlv_find(chuid.data, chuid.len, PIV_TAG_GUID, &guid) ||
	    guid.len != GUID_LEN || memcmp(guid.value, none, GUID_LEN) == 0) {
		if (o->identity != PIV_BY_GUID)
			return 0;
		return err_set(e, ERR_DEVICE, "piv.identity",
		    "the card has no GUID in its card holder unique identifier (object %06x)",
		    PIV_OBJECT_CHUID);
	}
	hex_encode(guid.value, GUID_LEN, hex);
	write_uuid(hex, i->uuid);
	if (o->identity == PIV_BY_GUID)
		memcpy(i->serial, hex, sizeof(hex));
	return 0;
}

static int is_default(struct piv_card *c, uint8_t key, int *ret, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };
	struct tlv flag;

	if (ask(c, YUBICO_INS_METADATA, key, &answer, e) != 0)
		return -1;
	*ret = -1;
	if (tlv_find(answer.data, answer.len, YUBICO_TAG_IS_DEFAULT, &flag) && flag.len == 1)
		*ret = flag.value[0] != 0;
	return 0;
}

/* "factory" while management key or PIN is what the card came with, "personalised" when neither is. */
static int read_lifecycle(struct piv_card *c, struct identity *i, struct err *e)
{
	int key, pin;

	if (is_default(c, PIV_KEY_MANAGEMENT, &key, e) != 0 ||
	    is_default(c, PIV_KEY_PIN, &pin, e) != 0)
		return -1;
	if (key == 1 || pin == 1)
		memcpy(i->lifecycle, "factory", sizeof("factory"));
	else if (key == 0 && pin == 0)
		memcpy(i->lifecycle, "personalised", sizeof("personalised"));
	return 0;
}

int piv_identify(struct piv_card *c, const struct piv_options *o, const char *label,
    struct identity *ret, struct err *e)
{
	const char *model = o->model != NULL ? o->model : label;
	struct identity i = { 0 };

	if (*model == '\0')
		return err_set(e, ERR_DEVICE, "piv.identity",
		    "the card's application does not say its name; write model in the profile");
	(void)snprintf(i.model, sizeof(i.model), "%s", model);
	if (read_firmware(c, &i, e) != 0 || read_guid(c, o, &i, e) != 0 ||
	    (o->identity == PIV_BY_SERIAL && read_serial(c, &i, e) != 0) ||
	    read_lifecycle(c, &i, e) != 0 || piv_key_present(c, o, &i.key_present, e) != 0)
		return -1;
	*ret = i;
	return 0;
}
