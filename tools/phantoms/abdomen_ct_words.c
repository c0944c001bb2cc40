/* abdomen_ct_words.c - what a radiologist writes of a drawn abdominal CT: templates of prose.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "abdomen_ct_int.h"

/* Families, bits of sec_words.family: what a finding forbids saying. */
enum {
    F_LIVER = 1, F_SPLEEN = 2, F_KIDNEY = 4, F_FLUID = 8, F_AIR = 16, F_AORTA = 32, F_GALL = 64,
    F_PANCREAS = 128, F_BOWEL = 256, F_RETRO = 512
};

#define PAIN \
    "{age} {sex} with {abdominal pain|right upper quadrant pain|upper abdominal " \
    "pain|nonspecific abdominal pain}. {?cause.|}"
#define CANCER \
    "{age} {sex} with {weight loss|known colorectal carcinoma|deranged liver function|an " \
    "abnormal ultrasound}. {Staging.|Characterise.|}"
#define LOIN \
    "{age} {sex} with {{side} loin pain|{side} flank pain|renal colic on the " \
    "{side}|haematuria}. {?stone.|?renal cause.|}"

const sec_words abdomen_ct_words[KINDS] = {
    [LIVER_MASS] = {F_LIVER,
        "{{size}|{mm}|} {hypodense|hypoattenuating|low-attenuation} {mass|lesion} in the {side} "
        "{hepatic lobe|lobe of the liver|lobe of liver}",
        CANCER,
        "{There is a|A} {mm} {ill-defined|lobulated|irregular} "
        "{hypodense|hypoattenuating|low-attenuation} {mass|lesion} in the {side} {hepatic "
        "lobe|lobe of the liver}{ with {faint|irregular} rim enhancement|}.",
        "{Indeterminate|Suspicious|Solid} {mm} {mass|lesion} in the {side} {hepatic lobe|lobe "
        "of the liver}. {MRI of the liver {advised|recommended}.|Malignancy to be "
        "excluded.|Biopsy may be needed.}"},
    [LIVER_CYST] = {F_LIVER,
        "{{size}|{mm}|simple} {hepatic|liver} cyst in the {side} {lobe|hepatic lobe|lobe of the "
        "liver}",
        PAIN,
        "{There is a|A} {mm} {well-defined|sharply marginated|smooth} "
        "{fluid-attenuation|water-density} {lesion|cyst} in the {side} {hepatic lobe|lobe of "
        "the liver}{ without enhancement|, in keeping with a simple cyst|}.",
        "{Simple|{mm}} {hepatic|liver} cyst in the {side} lobe{, no follow-up needed|}."},
    [METASTASES] = {F_LIVER,
        "+multiple {hepatic|liver} metastases{ in both lobes|}",
        CANCER,
        "{Multiple|Numerous|Several} {hypodense|hypoattenuating|low-attenuation} "
        "{lesions|nodules} {throughout|in both lobes of|scattered through} the liver, {the "
        "largest|up to} {mm}{, in keeping with metastases|}.",
        "{Multiple hepatic metastases|Multiple liver lesions, in keeping with "
        "metastases|Metastatic disease of the liver}. {Primary to be sought.|Oncology "
        "referral.|}"},
    [SPLENOMEGALY] = {F_SPLEEN,
        "+{{grade}|marked|} splenomegaly",
        "{age} {sex} with {lymphoma|thrombocytopenia|portal hypertension|night sweats|a "
        "palpable left upper quadrant mass}.",
        "{The spleen is {enlarged|markedly enlarged}|There is splenomegaly|Enlarged spleen}{, "
        "extending anteriorly and medially| with homogeneous enhancement|}. {No focal splenic "
        "lesion.|}",
        "{{grade}|} splenomegaly. {Haematological correlation advised.|Portal hypertension or "
        "lymphoproliferative disease to be considered.|}"},
    [LACERATION] = {F_SPLEEN | F_FLUID,
        "{{size}|} splenic laceration with {perisplenic haematoma|perisplenic blood}",
        "{age} {sex} after a {road traffic accident|fall from height|bicycle accident|direct "
        "blow to the left flank}. {Left upper quadrant pain.|}",
        "{Linear|Irregular linear} {hypodense|low-attenuation} {clefts|bands} {through|across} "
        "the {splenic parenchyma|spleen} with {surrounding|perisplenic} {high-density "
        "fluid|haematoma}{. No active extravasation|}.",
        "{Splenic laceration|Laceration of the spleen} with {perisplenic "
        "haematoma|haemoperitoneum around the spleen}. {Surgical {review|opinion} "
        "{advised|recommended}.|}"},
    [STONE] = {F_KIDNEY,
        "{{mm}|} {side} {renal|kidney} {stone|calculus}",
        LOIN,
        "{There is a|A} {mm} {calculus|stone|hyperdense calculus} in the {side} {kidney|renal "
        "pelvis|renal collecting system}{ without hydronephrosis|}.",
        "{{mm}|Non-obstructing} {side} renal {calculus|stone}{ without hydronephrosis|}."},
    [HYDRONEPHROSIS] = {F_KIDNEY,
        "+{{grade}|} {side} hydronephrosis",
        LOIN,
        "{{grade} dilatation|Dilatation} of the {side} {renal pelvis and calyces|pelvicalyceal "
        "system|renal collecting system}{, in keeping with hydronephrosis|}. {No obstructing "
        "stone is seen at this level.|}",
        "{{grade}|} {side} hydronephrosis. {Level of obstruction to be determined.|Urology "
        "referral.|}"},
    [RENAL_MASS] = {F_KIDNEY,
        "{{size}|{mm}|} {enhancing |solid |}{side} renal {mass|tumour}",
        "{age} {sex} with {haematuria|painless haematuria|weight loss and flank mass|an "
        "incidental mass on ultrasound}.",
        "{There is a|A} {mm} {heterogeneous|heterogeneously enhancing|solid} {mass|lesion} "
        "{arising from|in} the {side} kidney{ with central necrosis|, exophytic|}. {Renal vein "
        "patent.|}",
        "{mm} {solid |}{side} renal mass, {suspicious for|most likely} renal cell carcinoma. "
        "{Urology referral.|}"},
    [RENAL_CYST] = {F_KIDNEY,
        "{{size}|{mm}|simple} {side} renal cyst",
        PAIN,
        "{There is a|A} {mm} {well-defined|thin-walled|smooth} {exophytic "
        "|}{fluid-attenuation|simple} cyst {of|arising from} the {side} kidney{ without "
        "enhancement|}.",
        "{Simple|Bosniak I|{mm} simple} {side} renal cyst{, no follow-up required|}."},
    [ASCITES] = {F_FLUID,
        "+{{size}|{size} volume|free fluid and|} ascites",
        "{age} {sex} with {abdominal distension|known cirrhosis|ovarian carcinoma|increasing "
        "girth}.",
        "{There is|} {size} {volume |}{free fluid|ascites} {around the liver and spleen|in the "
        "peritoneal cavity|in the perihepatic and perisplenic spaces}.",
        "{{size}|{size} volume|} {ascites|free intraperitoneal fluid (ascites)}. {Diagnostic "
        "tap suggested.|Correlate with liver function.|}"},
    [FREE_AIR] = {F_AIR,
        "+free {intraperitoneal air|intraperitoneal gas|air} {under the anterior abdominal "
        "wall|in the peritoneal cavity|(pneumoperitoneum)}",
        "{age} {sex} with {acute abdomen|peritonitis|sudden severe abdominal pain|rigid "
        "abdomen}. {?perforation.|}",
        "{Free gas|Free air|Extraluminal gas} {collects|is seen} {anteriorly beneath the "
        "abdominal wall|in the anterior peritoneal cavity|anterior to the liver and bowel}{, "
        "with an air-fat level|}.",
        "{Pneumoperitoneum|Free intraperitoneal air}, {indicating|consistent with} {a "
        "perforated viscus|hollow viscus perforation}. {Urgent surgical review.|Discussed with "
        "the surgical team.|}"},
    [ANEURYSM] = {F_AORTA,
        "{{mm}|{size}|} {infrarenal |}abdominal aortic aneurysm",
        "{age} {sex} with {a pulsatile abdominal mass|back pain|an aneurysm on "
        "ultrasound|hypertension and abdominal pain}.",
        "{There is|} {aneurysmal dilatation of the infrarenal aorta|an infrarenal abdominal "
        "aortic aneurysm} {measuring|up to} {mm} {with|containing} {mural|eccentric mural} "
        "thrombus{ and wall calcification|}. {No retroperitoneal haematoma.|No sign of "
        "rupture.|}",
        "{{mm} abdominal aortic aneurysm|Infrarenal aortic aneurysm, {mm}}{ without rupture|}. "
        "{Vascular surgical referral.|}"},
    [GALLSTONES] = {F_GALL,
        "+{{multiple |}calcified gallstones|gallstones in the gallbladder|cholelithiasis}",
        PAIN,
        "{Hyperdense|Calcified|Several calcified} {calculi|gallstones|stones} {layer in|within} "
        "the gallbladder{, up to {mm}|}. {No wall thickening or pericholecystic fluid.|The bile "
        "ducts are not dilated.|}",
        "{Cholelithiasis|Gallstones}{ without {evidence of |}cholecystitis|}."},
    [PANCREAS_MASS] = {F_PANCREAS,
        "{{size}|{mm}|} {hypodense |hypoattenuating |}mass of the {site}",
        "{age} {sex} with {painless jaundice|weight loss|epigastric pain radiating to the "
        "back|new diabetes and weight loss}.",
        "{There is a|A} {mm} {hypodense|hypoattenuating|ill-defined hypodense} {mass|lesion} in "
        "the {site}{ with upstream ductal dilatation|, abutting the adjacent vessels|}.",
        "{mm} mass of the {site}, {suspicious for|most likely} {adenocarcinoma|pancreatic "
        "carcinoma}. {Endoscopic ultrasound advised.|MDT discussion.|}"},
    [OBSTRUCTION] = {F_BOWEL,
        "+small bowel obstruction{ with {dilated loops|air-fluid levels}|}",
        "{age} {sex} with {vomiting and distension|colicky abdominal pain and vomiting|previous "
        "laparotomy, vomiting}. {?obstruction.|}",
        "{Multiple|Several} {dilated|distended} {fluid-filled |gas- and fluid-filled |}small "
        "bowel loops with {air-fluid|gas-fluid} levels{. The colon is collapsed|}.",
        "{Small bowel obstruction|Dilated small bowel with air-fluid levels, in keeping with "
        "obstruction}. {Adhesions likely.|Surgical review.|}"},
    [HAEMATOMA] = {F_RETRO,
        "{{size}|{mm}|} {side} {psoas haematoma|retroperitoneal (psoas) haematoma|iliopsoas "
        "haematoma}",
        "{age} {sex} {on warfarin|on anticoagulation} with {{side} flank pain|groin pain|a "
        "falling haemoglobin}.",
        "{The {side} psoas is expanded by|There is} a {mm} "
        "{heterogeneous|hyperdense|mixed-density} {haematoma|collection}{ in the {side} psoas "
        "muscle|in the {side} psoas compartment}.",
        "{side} {psoas|retroperitoneal psoas} haematoma{, {mm}|}. {No active bleeding "
        "seen.|Correlate with coagulation status.|}"},
};

static const sec_sentence normals[] = {
    {"{The liver is {normal|unremarkable}{ in size and attenuation|}.|Homogeneous liver without "
        "focal lesion.}", F_LIVER},
    {"{The spleen is {normal in size|unremarkable}.|Normal spleen.}", F_SPLEEN},
    {"{Both kidneys {enhance|appear} {normally|symmetrically}.|Normal kidneys "
        "{bilaterally|without hydronephrosis}.}", F_KIDNEY},
    {"{The pancreas is {normal|unremarkable}.|Normal pancreas.}", F_PANCREAS},
    {"{The gallbladder is unremarkable.|No gallstones{ are seen|}.}", F_GALL},
    {"{The aorta is of normal calibre.|Normal calibre abdominal aorta.}", F_AORTA},
    {"{Bowel loops are {unremarkable|of normal calibre}.|No bowel dilatation.}", F_BOWEL},
    {"{The adrenal glands are {normal|unremarkable}.|Normal adrenals.}", 0},
    {"{No lymphadenopathy.|No enlarged lymph nodes.}", 0},
    {"{Bones: no {aggressive|suspicious} lesion.|Degenerative change in the spine.|The imaged "
        "spine is unremarkable.}", 0},
};

static const sec_sentence negatives[] = {
    {"{No {free fluid|ascites}.|No free intraperitoneal fluid.}", F_FLUID},
    {"{No {free {gas|air}|pneumoperitoneum}.|No extraluminal gas.}", F_AIR},
    {"{No hydronephrosis{ or stone|}.|No urinary obstruction.}", F_KIDNEY},
    {"{No {aortic |}aneurysm.|No aortic dilatation.}", F_AORTA},
    {"{No focal liver lesion.|No liver metastases.}", F_LIVER},
    {"{No bowel obstruction.|No dilated bowel.}", F_BOWEL},
    {"{No retroperitoneal haematoma.|No retroperitoneal collection.}", F_RETRO},
};

const sec_style abdomen_ct_style = {
    .study = "{Axial|} {contrast} {abdominal CT|CT of the abdomen|CT abdomen}",
    .technique = "{contrast} CT of the abdomen{{phase}| was performed{phase}|}.",
    .normal = normals, .n_normal = ph_count(normals),
    .negative = negatives, .n_negative = ph_count(negatives),
    .normal_history = "{" PAIN "|" CANCER "}",
    .normal_impression = "{No acute abdominal {abnormality|pathology}.|Normal {CT of the "
        "abdomen|abdominal CT}.|No cause for the symptoms is seen.|No focal abnormality of the "
        "abdominal organs.|Normal study.}",
    .normal_caption = "{{study} {with no|showing no} {acute |}abnormality.|Normal axial {CT of "
        "the abdomen|abdominal CT}.|{study} that is normal.}",
};
