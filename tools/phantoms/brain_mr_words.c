/* brain_mr_words.c - what a radiologist writes of a drawn brain MR: templates of prose.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "brain_mr_int.h"

/* Families, bits of sec_words.family: what a finding forbids saying. */
enum {
    F_MASS = 1, F_EFFECT = 2, F_INFARCT = 4, F_VENTRICLES = 8, F_WHITE = 16, F_SULCI = 32,
    F_EXTRA_AXIAL = 64, F_CISTERNS = 128, F_ENHANCE = 256
};

#define TUMOUR \
    "{age} {sex} with {progressive headache|a first seizure|new seizures|personality " \
    "change|focal weakness}. {?space-occupying lesion.|?tumour.|Mass on CT.|}"

const sec_words brain_mr_words[KINDS] = {
    [GLIOMA] = {F_MASS | F_EFFECT | F_SULCI | F_ENHANCE | F_WHITE,
        "{{size}|{mm}|} {side} {lobe} {high-grade glioma|glioblastoma|high-grade glial tumour} "
        "with {surrounding |vasogenic |}oedema",
        TUMOUR,
        "{There is a|A} {mm} {irregular|heterogeneous|lobulated} {mass|lesion|intra-axial mass} "
        "in the {side} {site} with {a thick irregular rim and central necrosis|central "
        "necrosis|a thick, nodular rim} and {extensive|moderate|surrounding} {vasogenic "
        "oedema|T2/FLAIR hyperintense oedema}. {Local mass effect{shifted}.|The adjacent sulci "
        "are effaced.|}",
        "{side} {site} {necrotic mass|mass with oedema}, {most in keeping with|highly "
        "suspicious for|likely} {a high-grade glioma|glioblastoma}. {Neurosurgical "
        "referral.|Biopsy advised.|}"},
    [MENINGIOMA] = {F_MASS | F_EXTRA_AXIAL | F_EFFECT | F_SULCI | F_ENHANCE | F_WHITE,
        "{{size}|{mm}|} {side} {site} meningioma",
        TUMOUR,
        "{There is a|A} {well-defined|well-circumscribed|smooth} {mm} {extra-axial|dural-based} "
        "mass {along|over} the {side} {site}{ with a dural tail|, broad based against the "
        "dura|} and {{homogeneous}|a thin cleft of CSF at its margin}. {Buckling of the "
        "adjacent cortex.|{Mild|Some} oedema of the underlying brain.|}",
        "{{side} {site} meningioma|Extra-axial mass over the {side} {site}, {typical of|in "
        "keeping with} a meningioma}{, {mm}|}. {Neurosurgical opinion.|Follow-up advised.|}"},
    [INFARCT_MCA] = {F_INFARCT | F_SULCI | F_EFFECT,
        "{acute|{size} acute} {side} {middle cerebral artery|MCA}{ territory|} infarct",
        "{age} {sex} with {sudden hemiparesis|acute aphasia and weakness|sudden facial droop "
        "and arm weakness}. {?stroke.|}",
        "{bright} in the {side} {middle cerebral artery|MCA} territory{ involving the cortex "
        "and underlying white matter|}{, with {mild |}sulcal effacement|}. {No haemorrhagic "
        "transformation.|}",
        "{Acute|Acute to subacute} {side} {middle cerebral artery|MCA} territory infarct."},
    [INFARCT_PCA] = {F_INFARCT | F_SULCI,
        "acute {side} {posterior cerebral artery|PCA} territory infarct in the occipital lobe",
        "{age} {sex} with {visual field loss|sudden homonymous hemianopia|acute visual "
        "disturbance}.",
        "{bright} in the {side} {occipital lobe|medial occipital lobe}, {in the PCA "
        "territory|corresponding to the posterior cerebral artery territory}.",
        "{Acute|Acute to subacute} {side} {occipital infarct|PCA territory infarct of the "
        "occipital lobe|posterior cerebral artery (occipital) infarct}."},
    [PLAQUES] = {F_WHITE,
        "+{multiple |several |}{periventricular|periventricular white matter} {demyelinating "
        "plaques|multiple sclerosis plaques|demyelinating lesions}",
        "{age} {sex} with {optic neuritis|sensory symptoms|relapsing paraesthesia|known "
        "multiple sclerosis}. {?demyelination.|}",
        "{Multiple|Several|Numerous} {ovoid|oval} T2/FLAIR hyperintense {lesions|foci|plaques} "
        "in the periventricular white matter, {perpendicular to the ventricles|oriented "
        "perpendicular to the lateral ventricles (Dawson fingers)}{, some juxtacortical|}.",
        "{Periventricular|Multiple periventricular} {plaques|white matter lesions}, {typical "
        "of|in keeping with|highly suggestive of} {multiple sclerosis|demyelination}."},
    [HYDROCEPHALUS] = {F_VENTRICLES | F_SULCI | F_WHITE,
        "+{{grade}|marked|} hydrocephalus with {dilated|enlarged} lateral ventricles",
        "{age} {sex} with {headache and vomiting|gait disturbance|drowsiness|cognitive decline "
        "and incontinence}.",
        "{Marked|There is} {dilatation|enlargement} of the lateral ventricles {with "
        "transependymal oedema|with periventricular FLAIR hyperintensity|and effacement of the "
        "sulci}.",
        "{{grade}|} hydrocephalus {with transependymal CSF seepage|with dilated lateral "
        "ventricles|}. {Neurosurgical review.|}"},
    [CYST] = {F_EXTRA_AXIAL | F_MASS,
        "{{size}|{mm}|} {side} {temporal|middle cranial fossa} arachnoid cyst",
        "{age} {sex} with {headache|an incidental finding on CT|a seizure}.",
        "{There is a|A} {mm} {extra-axial|well-defined} {cyst|collection} {of CSF "
        "signal|following CSF on all sequences} in the {side} middle cranial fossa{, displacing "
        "the temporal pole|, remodelling the adjacent bone|}. {No solid component.|}",
        "{side} {middle cranial fossa|temporal} arachnoid cyst{, {mm}|}{, incidental|}."},
    [OLD_INFARCT] = {F_INFARCT | F_WHITE,
        "+{{size}|} {side} frontal {encephalomalacia|encephalomalacia and gliosis|old infarct "
        "with encephalomalacia}",
        "{age} {sex} with {previous stroke|old head injury|epilepsy, previous stroke}.",
        "{Area of|There is} {encephalomalacia|cystic encephalomalacia} in the {side} {frontal "
        "lobe|frontal region} {with surrounding gliosis|with a rim of FLAIR hyperintense "
        "gliosis}{, in keeping with an old infarct|}.",
        "{Old|Chronic} {side} frontal {infarct with encephalomalacia|encephalomalacia and "
        "gliosis}. {No acute infarct.|}"},
    [ABSCESS] = {F_MASS | F_EFFECT | F_SULCI | F_ENHANCE | F_WHITE,
        "{{size}|{mm}|} {side} {lobe} {abscess|cerebral abscess|brain abscess}",
        "{age} {sex} with {fever and headache|fever and seizures|sinusitis and "
        "confusion|headache, raised CRP}.",
        "{There is a|A} {mm} {thin-walled|smooth-walled} {ring lesion|{ring} collection|cystic "
        "lesion} in the {side} {site} with {a T2 hypointense capsule|a smooth thin capsule} and "
        "{surrounding|marked} oedema. {restricted}",
        "{{side} {site} abscess|Ring lesion of the {side} {site}, {most likely|in keeping with} "
        "an abscess}. {Urgent neurosurgical review.|}"},
    [PITUITARY] = {F_MASS | F_CISTERNS | F_ENHANCE,
        "{{size}|{mm}|} {pituitary macroadenoma|sellar and suprasellar mass|pituitary mass{ in "
        "the suprasellar cistern|}}",
        "{age} {sex} with {bitemporal hemianopia|visual loss|amenorrhoea|raised "
        "prolactin|hypopituitarism}.",
        "{There is a|A} {mm} {lobulated|well-defined} mass {in the sella extending into the "
        "suprasellar cistern|filling the suprasellar cistern}{, displacing the optic chiasm|}.",
        "{Sellar and suprasellar mass|Pituitary mass}, {most likely|in keeping with} a "
        "{pituitary |}macroadenoma. {Endocrine review suggested.|}"},
    [SMALL_VESSEL] = {F_WHITE,
        "+{extent} {chronic |}small vessel {disease|ischaemic change}",
        "{age} {sex} with {memory loss|vascular risk factors|gait disturbance|hypertension}.",
        "{Confluent|Patchy and confluent|Extensive|Multiple} T2/FLAIR "
        "{hyperintensity|hyperintensities} in the {periventricular and deep|bilateral "
        "periventricular} white matter{, in keeping with chronic small vessel disease|}.",
        "{extent} {chronic |}small vessel {ischaemic change|disease}{ of the white matter|}. "
        "{No acute infarct.|}"},
    [LACUNE] = {F_INFARCT,
        "{old|chronic|{mm}|} {side} thalamic {lacune|lacunar infarct}",
        "{age} {sex} with {previous TIA|hypertension|sensory disturbance}.",
        "{A|Small|There is a} {mm} {focus of CSF signal|cavity} in the {side} thalamus {with a "
        "thin gliotic rim|with a FLAIR hyperintense rim}{, in keeping with an old lacune|}.",
        "{Old|Chronic} {side} thalamic {lacune|lacunar infarct}. {No acute infarct.|}"},
    [METASTASES] = {F_MASS | F_WHITE | F_ENHANCE | F_EFFECT,
        "+multiple {brain|cerebral|intracranial} metastases",
        "{age} {sex} with {known lung carcinoma|breast cancer|melanoma|headache and weight "
        "loss}. {Staging.|?metastases.|}",
        "{Multiple|Several} {{ring}|rounded|nodular and ring-like} lesions at the grey-white "
        "junction of both cerebral hemispheres, {up to|the largest} {mm}, with "
        "{surrounding|perilesional} oedema.",
        "{Multiple brain metastases.|Multiple lesions with oedema, in keeping with {brain "
        "|}metastases.}"},
};

static const sec_sentence normals[] = {
    {"{The ventricles are normal in size.|Normal ventricular size.}", F_VENTRICLES | F_EFFECT},
    {"{Normal {grey and |}white matter signal.|White matter signal is {normal|unremarkable}.}",
        F_WHITE | F_INFARCT | F_MASS},
    {"{Midline structures are {central|undisplaced}.|No midline shift.}", F_EFFECT},
    {"{The basal cisterns are {patent|clear}.|Basal cisterns preserved.}", F_CISTERNS},
    {"{Normal {major |}flow voids.|Intracranial flow voids are preserved.}", 0},
    {"{Sulci are {normal|age-appropriate}.|Normal sulcal pattern.}", F_SULCI},
    {"{The posterior fossa is {normal|unremarkable}.|Normal brainstem and cerebellum.}", 0},
    {"{Marrow signal of the calvarium is normal.|The calvarium is unremarkable.}", 0},
    {"{The {imaged|visualised} sinuses are clear.|Paranasal sinuses unremarkable.}", 0},
};

static const sec_sentence negatives[] = {
    {"{{No|No evidence of} acute infarct{ion|}.|{No|No evidence of} acute ischaemia.}",
        F_INFARCT | F_MASS},
    {"{No {intracranial |}mass.|No space-occupying lesion.}", F_MASS},
    {"{No hydrocephalus.|No ventricular dilatation.}", F_VENTRICLES},
    {"{No {intracranial |}haemorrhage.|No evidence of haemorrhage.}", 0},
    {"{No extra-axial collection.|No extra-axial abnormality.}", F_EXTRA_AXIAL},
    {"{No demyelinating {lesion|plaque}.|No white matter lesion.}", F_WHITE | F_INFARCT},
};

const sec_style brain_mr_style = {
    .study = "{Axial {sequence}|Axial {sequence}|} {brain MRI|MRI of the brain|MR of the "
        "brain|brain MR}",
    .technique = "{Axial {sequences} images{ were obtained|}.|MRI of the brain {was performed "
        "|}with {sequences} {sequences|imaging}.}",
    .normal = normals, .n_normal = ph_count(normals),
    .negative = negatives, .n_negative = ph_count(negatives),
    .normal_history = "{age} {sex} with {headache|dizziness|memory complaints|a first "
        "seizure|tinnitus|paraesthesia}. {?cause.|Exclude demyelination.|}",
    .normal_impression = "{Normal MRI of the brain.|Normal brain MRI.|No intracranial "
        "abnormality.|No mass, infarct or demyelination.|Unremarkable study.}",
    .normal_caption = "{{study} {with no|showing no} {intracranial |}abnormality.|Normal axial "
        "{sequence} {brain MRI|MRI of the brain}.|{study} that is normal.}",
};
