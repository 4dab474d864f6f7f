/*
 * Object identifiers of kiln's own, under a UUID (ITU-T X.667, arc 2.25: needs no registration).
 */
#ifndef KILN_OIDS_H
#define KILN_OIDS_H

#define OID_KILN "2.25.68629715217242208355951711419449564622"
/* CMS eContentType of an attestation statement. */
#define OID_KILN_STATEMENT OID_KILN ".1"
/* Certificate extension, value NULL: made by a throw-away CA, not for production. Not critical: an
 * unknown critical extension fails every standard chain validation (RFC 5280 4.2), TLS's among them;
 * whoever must refuse it looks for it. */
#define OID_KILN_NOT_FOR_PRODUCTION OID_KILN ".2"
/* Extended key usage of a station's attestation certificate. */
#define OID_KILN_EKU_ATTESTATION OID_KILN ".3"
/* id-kp-cmcRA (RFC 6402 2.10): the station acts as registration authority. */
#define OID_CMC_RA "1.3.6.1.5.5.7.3.28"
/* id-on-hardwareModuleName (RFC 4108 5). */
#define OID_HARDWARE_MODULE_NAME "1.3.6.1.5.5.7.8.4"
/* DMTF SPDM device information, SAN otherName (DSP0274). */
#define OID_SPDM_DEVICE_INFO "1.3.6.1.4.1.412.274.1"

#endif
