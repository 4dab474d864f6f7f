#include "url.h"

#include <string.h>
#include <strings.h>

enum { URL_MAX = 1024 };

static const char scheme[] = "https://";

int url_check(const char *url, struct err *e)
{
	const char *host = url + strlen(scheme);

	if (strncasecmp(url, scheme, strlen(scheme)) != 0)
		return err_set(e, ERR_CONFIG, "est.url", "the CA's URL must begin with %s", scheme);
	if (strlen(url) > URL_MAX)
		return err_set(e, ERR_CONFIG, "est.url", "the CA's URL is longer than %d", URL_MAX);
	for (const char *p = url; *p != '\0'; p++)
		if (*p <= 0x20 || *p > 0x7e || *p == '\\')
			return err_set(e, ERR_CONFIG, "est.url",
			    "the CA's URL holds a character that belongs into no URL");
	if (strchr(url, '@') != NULL)
		return err_set(e, ERR_CONFIG, "est.url",
		    "the CA's URL may not hold a user or password: configure a credential");
	if (strpbrk(url, "?#") != NULL)
		return err_set(e, ERR_CONFIG, "est.url",
		    "the CA's URL may not hold a query or fragment");
	if (strcspn(host, "/:") == 0)
		return err_set(e, ERR_CONFIG, "est.url", "the CA's URL names no host");
	return 0;
}
