#include "twin_bank.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "failpoint.h"

/* Record: magic, number, length, check sum of all but magic and itself; then the content. */
enum { HEADER = 16, MAGIC = 0x314b4c46, BANKS = 2 };

/* CRC-32 of IEEE 802.3. */
static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320U & -(crc & 1));
	}
	return ~crc;
}

/* counted: the number and the length, as they lie in the header. */
static uint32_t check_sum(const uint8_t counted[static 8], const uint8_t *content, size_t len)
{
	return crc32(crc32(0, counted, 8), content, len);
}

/* Up to size bytes; short where the file ends. */
static int read_at(int fd, uint8_t *ret, size_t size, off_t offset, size_t *ret_len, struct err *e)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, ret + done, size - done, offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_DEVICE, "twin.flash", "reading the flash");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

static bool is_blank(const uint8_t *header, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (header[i] != 0)
			return false;
	return true;
}

struct bank {
	bool blank, whole;
	uint32_t number;
	struct buf content;
};

static int read_bank(int fd, size_t i, struct bank *ret, struct err *e)
{
	off_t start = (off_t)(i * TWIN_BANK_LEN);
	uint8_t header[HEADER];
	uint8_t *room;
	size_t got, len;

	if (read_at(fd, header, HEADER, start, &got, e) != 0)
		return -1;
	ret->blank = is_blank(header, got);
	len = got == HEADER ? get_u32le(header + 8) : 0;
	if (got < HEADER || get_u32le(header) != MAGIC || len > TWIN_BANK_LEN - HEADER)
		return 0;
	room = buf_room(&ret->content, len, e);
	if (room == NULL || read_at(fd, room, len, start + HEADER, &got, e) != 0)
		return -1;
	ret->content.len = got;
	ret->number = get_u32le(header + 4);
	ret->whole = got == len && check_sum(header + 4, room, len) == get_u32le(header + 12);
	return 0;
}

static int choose(struct bank banks[static BANKS], struct buf *ret, uint32_t *ret_number,
    struct err *e)
{
	struct bank *best = NULL;

	for (size_t i = 0; i < BANKS; i++)
		if (banks[i].whole && (best == NULL || banks[i].number > best->number))
			best = &banks[i];
	*ret_number = best != NULL ? best->number : 0;
	buf_clear(ret);
	if (best != NULL) {
		buf_free(ret);
		*ret = buf_steal(&best->content);
		return 0;
	}
	if (banks[0].blank || banks[1].blank)
		return 0;
	return err_set(e, ERR_DEVICE, "twin.flash", "both banks of the flash are spoilt");
}

int twin_bank_load(const char *path, struct buf *ret, uint32_t *ret_number, struct err *e)
{
	struct bank banks[BANKS] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 && errno != ENOENT)
		return err_errno(e, ERR_DEVICE, "twin.flash", "opening %s", path);
	banks[0].blank = banks[1].blank = true;
	for (size_t i = 0; fd >= 0 && rc == 0 && i < BANKS; i++)
		rc = read_bank(fd, i, &banks[i], e);
	if (fd >= 0)
		(void)close(fd); /* only read */
	if (rc == 0)
		rc = choose(banks, ret, ret_number, e);
	for (size_t i = 0; i < BANKS; i++)
		buf_free(&banks[i].content);
	return rc;
}

static int add_record(struct buf *ret, uint32_t number, const struct buf *content, struct err *e)
{
	uint8_t counted[8];

	if (content->len > TWIN_BANK_LEN - HEADER)
		return err_set(e, ERR_DEVICE, "twin.flash", "%zu bytes are too many for a bank",
		    content->len);
	put_u32le(counted, number);
	put_u32le(counted + 4, (uint32_t)content->len);
	if (buf_add_u32le(ret, MAGIC, e) != 0 || buf_add(ret, counted, sizeof(counted), e) != 0 ||
	    buf_add_u32le(ret, check_sum(counted, content->data, content->len), e) != 0)
		return -1;
	return buf_add(ret, content->data, content->len, e);
}

/* What the chip does with the part that the power did not last for. */
static size_t spoil(struct buf *record, const struct twin_tear *tear, uint32_t number)
{
	size_t kept = record->len * tear->fraction / 256;
	uint32_t noise = number * 2654435761U;

	if (tear->rest == TWIN_REST_OLD)
		return kept;
	for (size_t i = kept; i < record->len; i++) {
		noise = noise * 1664525U + 1013904223U;
		record->data[i] = tear->rest == TWIN_REST_ERASED ? 0xff : (uint8_t)(noise >> 24);
	}
	return record->len;
}

static int write_all(int fd, const uint8_t *data, size_t len, off_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

int twin_bank_store(const char *path, uint32_t number, const struct buf *content,
    const struct twin_tear *tear, struct err *e)
{
	AUTO_STRUCT(buf) record = { 0 };
	size_t len;
	int fd, rc;

	if (add_record(&record, number, content, e) != 0)
		return -1;
	FAILPOINT("flash.write");
	len = tear != NULL ? spoil(&record, tear, number) : record.len;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, ERR_DEVICE, "twin.flash", "opening %s", path);
	rc = write_all(fd, record.data, len, (off_t)(number % BANKS * TWIN_BANK_LEN));
	if (close(fd) != 0 || rc != 0)
		return err_errno(e, ERR_DEVICE, "twin.flash", "writing %s", path);
	FAILPOINT("flash.written");
	return 0;
}
